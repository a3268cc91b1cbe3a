namespace Posthouse.Server.Naming;

/// <summary>Whether the name of an address leads back to that address (FCrDNS), in the words of smtpd-filters(7).</summary>
public enum ForwardConfirmation
{
    /// <summary>It could not be found out: <c>error</c>.</summary>
    Error,

    /// <summary>It does: <c>pass</c>.</summary>
    Pass,

    /// <summary>It does not, or there is no name: <c>fail</c>.</summary>
    Fail,
}
