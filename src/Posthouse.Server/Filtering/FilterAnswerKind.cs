namespace Posthouse.Server.Filtering;

/// <summary>The decisions of smtpd-filters(7), and bypass, which only builtin filters have.</summary>
internal enum FilterAnswerKind
{
    Proceed,
    Reject,
    Disconnect,
    Rewrite,
    Junk,
    Report,
    Bypass,
}
