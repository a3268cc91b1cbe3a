namespace Posthouse.Server.Model;

/// <summary>What a session is told when a plug cannot answer (<c>on-failure</c>).</summary>
public enum PlugFailurePolicy
{
    /// <summary>Try again later: 421 at connect, 451 elsewhere.</summary>
    Tempfail,

    /// <summary>Go on as if the plug had agreed.</summary>
    Bypass,

    /// <summary>Refuse for good.</summary>
    Reject,
}
