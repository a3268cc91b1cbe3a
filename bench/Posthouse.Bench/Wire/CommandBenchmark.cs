using BenchmarkDotNet.Attributes;
using Posthouse.Wire;

namespace Posthouse.Bench.Wire;

/// <summary>The commands of a usual transaction, from the line to what the session works with. Only mailboxes are allocated.</summary>
[MemoryDiagnoser]
public class CommandBenchmark
{
    [Benchmark]
    public bool Ehlo() => SmtpCommand.TryParse("EHLO client.example.org"u8, out SmtpCommand command, out _) && HostName.IsValidGreeting(command.Argument);

    [Benchmark]
    public bool Mail() =>
        SmtpCommand.TryParse("MAIL FROM:<joe@example.org> SIZE=5000 BODY=8BITMIME"u8, out SmtpCommand command, out _) && MailCommand.TryParse(command.Argument, out _, out _);

    [Benchmark]
    public bool Rcpt() =>
        SmtpCommand.TryParse("RCPT TO:<ann@example.org>"u8, out SmtpCommand command, out _) && RcptCommand.TryParse(command.Argument, out _, out _);

    [Benchmark]
    public bool RcptWithDsn() =>
        SmtpCommand.TryParse("RCPT TO:<ann@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;ann@example.org"u8, out SmtpCommand command, out _)
        && RcptCommand.TryParse(command.Argument, out _, out _);
}
