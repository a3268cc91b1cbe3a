namespace Posthouse.Plugs.Filters;

/// <summary>The requests that take a verdict, in the order of <see cref="Handlers.PhaseNames"/>.</summary>
internal enum Phase
{
    Connect,
    Helo,
    Ehlo,
    StartTls,
    Auth,
    MailFrom,
    RcptTo,
    Data,
    Commit,
    Rset,
    Noop,
    Quit,
}
