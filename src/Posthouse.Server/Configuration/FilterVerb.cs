namespace Posthouse.Server.Configuration;

/// <summary>What a builtin filter does when its conditions hold.</summary>
public enum FilterVerb
{
    /// <summary>Refuses the command with the text.</summary>
    Reject,
    /// <summary>Refuses with the text and closes.</summary>
    Disconnect,
    /// <summary>Replaces the command's parameter by the text.</summary>
    Rewrite,
    /// <summary>Tells the text to the filters that listen to reports.</summary>
    Report,
    /// <summary>Marks the message as junk.</summary>
    Junk,
    /// <summary>Ends the chain: no later filter is asked.</summary>
    Bypass,
}
