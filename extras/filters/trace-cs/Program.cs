// Writes down all that a filter is told: events, requests, and messages line by line.  usage: trace-cs [FILE]
// Without FILE it goes to standard error, which is the server's log.
using System.Text;
using Posthouse.Plugs.Filters;

using TextWriter trace = TextWriter.Synchronized(args is [string file] ? new StreamWriter(file, append: true) { AutoFlush = true } : Console.Error);
if (args is [string name]) File.SetUnixFileMode(name, UnixFileMode.UserRead | UnixFileMode.UserWrite); // what is traced is private
Filter filter = new() { IncludesOutgoing = true };
filter.OnConnect((session, connect) => Write(session, $"request connect {connect.ReverseName} {connect.Address}"));
filter.OnHelo((session, identity) => Write(session, $"request helo {identity}"));
filter.OnStartTls(session => Write(session, "request starttls"));
filter.OnAuth((session, argument) => Write(session, $"request auth {argument.Split(' ')[0]} ********"));
filter.OnSender((session, address) => Write(session, $"request mail-from {address}"));
filter.OnRecipient((session, address) => Write(session, $"request rcpt-to {address}"));
filter.OnData(session => Write(session, "request data"));
filter.OnCommit(session => Write(session, "request commit"));
filter.OnRset(session => Write(session, "request rset"));
filter.OnNoop(session => Write(session, "request noop"));
filter.OnQuit(session => Write(session, "request quit"));
filter.OnObserve((session, message) =>
{
    using StreamReader mail = new(message.OpenRead(), Encoding.UTF8);
    while (mail.ReadLine() is { } line) Write(session, $"message {line}");
    return Verdict.Proceed;
});
filter.OnReport((session, report) => Write(session, $"{(report.IsReplayed ? "replayed" : "event")} {report.Event} {report.Text}"));
return await filter.RunAsync();

Verdict Write(Session session, string what)
{
    trace.WriteLine($"{session.Id} {what}");
    return Verdict.Proceed;
}
