using System.IO.Pipes;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using CsCheck;
using Posthouse.Plugs.Filters;
using Posthouse.Plugs.Testing;

namespace Posthouse.Tests.Plugs.Filters;

/// <summary>Messages through filters written on the SDK, by line and in bulk.</summary>
public class FilterMessageTests
{
    private static readonly byte[] s_mail = Bytes("Received: by x\n\twith y\nFrom: a@example.org\nSubject: one\n two\nTo: b\n\nbody\n.dot\n..\n\n8-bit \u00e9\u00ff |x|\n");

    private static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);

    private static string Text(byte[]? bytes) => Encoding.Latin1.GetString(bytes!).Replace("\r\n", "\n", StringComparison.Ordinal);

    private static async Task<FilterMail> SendAsync<TState>(Filter<TState> filter, bool bulk, byte[] mail) where TState : class, new()
    {
        await using FilterHarness harness = await FilterHarness.StartAsync(filter, new() { OffersBulk = bulk });
        FilterHarnessSession session = await harness.ConnectAsync();
        FilterMail sent = await session.SendAsync(mail);
        Assert.Empty(harness.Strays);
        Assert.Equal(Verdict.Proceed, await session.QuitAsync());
        return sent;
    }

    [Theory, InlineData(false), InlineData(true)]
    public async Task Lines_are_changed_dropped_and_added(bool bulk)
    {
        Filter filter = new();
        filter.OnLine((session, line, output) =>
        {
            if (session.InHeader || !line.StartsWith("."u8)) output.Write(line);
            if (line.SequenceEqual("body"u8)) output.Write("one\r\n.two\nthree"u8);
        });
        filter.OnMessageEnd((_, output) => output.Write("the end"));
        FilterMail sent = await SendAsync(filter, bulk, s_mail);
        Assert.Equal(Text(s_mail).Replace("body\n.dot\n..\n", "body\none\n.two\nthree\n", StringComparison.Ordinal) + "the end\n", Text(sent.Content));
        Assert.Equal(Verdict.Proceed, sent.Verdict);
    }

    [Fact]
    public async Task Any_bytes_pass_by_line_in_bulk_and_whole()
    {
        Filter lines = new(), whole = new(), observer = new();
        lines.OnLine((_, line, output) => output.Write(line));
        lines.OnHeader("x", (_, _) => HeaderEdit.Keep);
        whole.OnMessage((_, _) => MessageResult.Unchanged);
        long observed = 0;
        observer.OnObserve((_, message) =>
        {
            observed = message.Length;
            return Verdict.Proceed;
        });
        foreach ((Filter filter, bool bulk) in ((Filter, bool)[])[(lines, false), (whole, true), (observer, false)])
        {
            await using FilterHarness harness = await FilterHarness.StartAsync(filter, new() { OffersBulk = bulk });
            FilterHarnessSession session = await harness.ConnectAsync();
            await Gen.OneOf(Gen.Const("\n"), Gen.Const("."), Gen.Const(":"), Gen.Const(" "), Gen.Const("x"), Gen.Const("x: y\n"), Gen.Char['\x01', '\u00ff'].Where(c => c != '\r').Select(c => c.ToString()))
                .Array[0, 60].SampleAsync(async parts =>
                {
                    byte[] mail = Bytes(string.Concat(parts));
                    FilterMail sent = await session.SendAsync(mail);
                    string expected = Text(mail);
                    if (expected.Length > 0 && !expected.EndsWith('\n')) expected += "\n";
                    Assert.Equal(expected, Text(sent.Content));
                    Assert.Equal(Verdict.Proceed, sent.Verdict);
                    if (filter == observer) Assert.Equal(sent.Content!.Length, observed);
                }, iter: 200, threads: 1);
        }
    }

    [Theory, InlineData(false), InlineData(true)]
    public async Task Header_fields_are_replaced_removed_and_added(bool bulk)
    {
        Filter filter = new();
        filter.OnHeader("SUBJECT", (_, field) => $"[{field.Value}] {string.Join(' ', Enumerable.Repeat("word", 30))}");
        filter.OnHeader("To", (_, _) => HeaderEdit.Remove);
        filter.OnHeader("From", (_, field) => field.Value == "a@example.org" ? HeaderEdit.Keep : throw new InvalidOperationException(field.Value));
        filter.OnHeaderBegin((_, output) => output.WriteField("X-First", "1"));
        filter.OnHeaderEnd((_, output) => output.WriteField("X-Last", "caf\u00e9\nBcc: x"));
        FilterMail sent = await SendAsync(filter, bulk, s_mail);
        string text = Encoding.UTF8.GetString(sent.Content!).Replace("\r\n", "\n", StringComparison.Ordinal);
        string header = text[..text.IndexOf("\n\n", StringComparison.Ordinal)];
        Assert.StartsWith("X-First: 1\nReceived: by x\n\twith y\nFrom: a@example.org\nSubject: [one two] word word", header, StringComparison.Ordinal);
        Assert.EndsWith("\nX-Last: caf\u00e9 Bcc: x", header, StringComparison.Ordinal);
        Assert.All(header.Split('\n'), line => Assert.InRange(line.Length, 1, 78));
        Assert.DoesNotContain("\nTo:", header, StringComparison.Ordinal);
        Assert.Equal(30, header.Split("word").Length - 1);
        Assert.Equal(Verdict.Proceed, sent.Verdict);
    }

    [Fact]
    public async Task A_header_without_body_still_ends()
    {
        Filter filter = new();
        filter.OnHeader("a", (_, field) => field.Value + "!");
        filter.OnHeaderEnd((_, output) => output.WriteField("z", "1"));
        Assert.Equal("a: b!\nz: 1\n", Text((await SendAsync(filter, false, Bytes("a:b\n"))).Content));
    }

    [Theory, InlineData(false), InlineData(true)]
    public async Task A_whole_message_is_replaced_judged_or_stays(bool bulk)
    {
        Filter filter = new() { Log = new StringWriter() };
        filter.OnMessage(async (_, message) =>
        {
            await Task.Yield();
            Assert.True(message.IsInMemory);
            string text = Encoding.Latin1.GetString(message.ToMemory().Span);
            if (text.Contains("replace", StringComparison.Ordinal)) return MessageResult.Replace("new\n.content"u8.ToArray());
            if (text.Contains("virus", StringComparison.Ordinal)) return Verdict.Reject("550 5.7.1 A virus");
            if (text.Contains("spam", StringComparison.Ordinal)) return Verdict.Junk;
            if (text.Contains("throw", StringComparison.Ordinal)) throw new InvalidOperationException("thrown");
            return MessageResult.Unchanged;
        });
        await using FilterHarness harness = await FilterHarness.StartAsync(filter, new() { OffersBulk = bulk });
        FilterHarnessSession session = await harness.ConnectAsync();
        foreach ((string mail, string content, Verdict verdict) in ((string, string, Verdict)[])[
            ("replace\n", "new\n.content\n", Verdict.Proceed), ("a virus\n", "a virus\n", Verdict.Reject("550 5.7.1 A virus")), ("x: spam\n", "X-Spam: Yes\nx: spam\n", Verdict.Proceed),
            ("throw\n", "throw\n", Verdict.TryLater), ("x\n", "x\n", Verdict.Proceed), ("", "", Verdict.Proceed)])
        {
            FilterMail sent = await session.SendAsync(Bytes(mail));
            Assert.Equal((content, verdict), (Text(sent.Content), sent.Verdict));
        }
    }

    [Theory, InlineData(false), InlineData(true)]
    public async Task Large_messages_leave_memory_and_pass(bool bulk)
    {
        Filter filter = new();
        filter.OnMessage((_, message) =>
        {
            Assert.False(message.IsInMemory);
            using Stream first = message.OpenRead(), second = message.OpenRead();
            Assert.Equal('L', first.ReadByte());
            Assert.Equal('L', second.ReadByte());
            Assert.Equal(message.Length, second.Length);
            return MessageResult.Prepend("X-Length: " + message.Length + "\r\n");
        });
        byte[] mail = Bytes(string.Concat(Enumerable.Range(0, 100_000).Select(i => $"Line {i} of a long, long message\r\n")));
        FilterMail sent = await SendAsync(filter, bulk, mail);
        Assert.Equal(Verdict.Proceed, sent.Verdict);
        Assert.True(Encoding.ASCII.GetBytes($"X-Length: {mail.Length}\r\n").Concat(mail).SequenceEqual(sent.Content!));
    }

    [Theory, InlineData(false), InlineData(true)]
    public async Task An_observer_sees_all_and_judges_at_commit(bool bulk)
    {
        Filter filter = new();
        filter.OnObserve(async (_, message) =>
        {
            using StreamReader reader = new(message.OpenRead(), Encoding.Latin1);
            return (await reader.ReadToEndAsync()).Contains("..\r\n", StringComparison.Ordinal) ? Verdict.Reject("550 5.7.1 Dots") : Verdict.Proceed;
        });
        await using FilterHarness harness = await FilterHarness.StartAsync(filter, new() { OffersBulk = bulk });
        Assert.Equal(bulk, harness.Registrations.Contains("extension|bulk-observe"));
        FilterHarnessSession session = await harness.ConnectAsync();
        FilterMail sent = await session.SendAsync(s_mail);
        Assert.Equal((Text(s_mail), Verdict.Reject("550 5.7.1 Dots")), (Text(sent.Content), sent.Verdict));
        Assert.Equal(Verdict.Proceed, (await session.SendAsync("x\n"u8.ToArray())).Verdict);
        Assert.Empty(harness.Strays);
    }

    [Theory, InlineData(false), InlineData(true)]
    public async Task A_line_handler_that_throws_fails_its_message_only(bool bulk)
    {
        StringWriter log = new();
        Filter filter = new() { Log = log };
        filter.OnLine((_, line, output) =>
        {
            if (line.SequenceEqual("bad"u8)) throw new InvalidOperationException("a bug");
            output.Write(line);
        });
        filter.OnCommit(_ => Verdict.Proceed);
        await using FilterHarness harness = await FilterHarness.StartAsync(filter, new() { OffersBulk = bulk });
        FilterHarnessSession session = await harness.ConnectAsync();
        Assert.Equal(Verdict.TryLater, (await session.SendAsync("good\nbad\nbad\n"u8.ToArray())).Verdict);
        FilterMail sent = await session.SendAsync("good\n"u8.ToArray());
        Assert.Equal(("good\n", Verdict.Proceed), (Text(sent.Content), sent.Verdict));
        Assert.Equal(2, log.ToString().Split("a bug").Length);
    }

    // What the one before knew of the message died with it.
    [Fact]
    public async Task Commit_of_a_message_that_this_process_has_not_seen_is_tried_later()
    {
        Filter filter = new();
        filter.OnMessage((_, _) => Verdict.Reject("550 no"));
        await using FilterHarness harness = await FilterHarness.StartAsync(filter);
        Assert.Equal(Verdict.TryLater, await (await harness.ConnectAsync()).CommitAsync());
    }

    [Theory, InlineData(false), InlineData(true)]
    public async Task A_message_given_up_in_the_middle_leaves_nothing_to_the_next(bool bulk)
    {
        Filter filter = new() { Log = new StringWriter() };
        filter.OnMessage((_, message) => MessageResult.Prepend($"L: {message.Length}\n"));
        await using FilterHarness harness = await FilterHarness.StartAsync(filter, new() { OffersBulk = bulk });
        FilterHarnessSession session = await harness.ConnectAsync();
        await session.MailAsync("a@example.org");
        string kind = bulk ? "data-bulk" : "data-line";
        await harness.WriteLineAsync($"filter|0.7|1.0|smtp-in|{kind}|{session.Id}|00000000000000aa|{(bulk ? "3\nabc" : "abc")}".TrimEnd('\n'));
        if (bulk) await harness.WriteLineAsync($"filter|0.7|1.0|smtp-in|{kind}|{session.Id}|00000000000000aa|1");
        if (bulk) await harness.WriteLineAsync("");
        await session.RollbackAsync();
        Assert.Equal("L: 3\nx\n", Text((await session.SendAsync("x\n"u8.ToArray())).Content));
    }

    // A server may write all of a message before it reads: what comes back must not keep the filter from reading on.
    [Fact]
    public async Task Reads_on_while_nobody_takes_its_answers_and_stops_at_a_bound()
    {
        using AnonymousPipeServerStream to = new(PipeDirection.Out), from = new(PipeDirection.In);
        await ReadLateAsync(to.ClientSafePipeHandle, from.ClientSafePipeHandle, to, from, to.Dispose);
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task The_same_over_one_socket_that_waits_or_does_not(bool blocks)
    {
        string path = Path.Combine(Path.GetTempPath(), "filter-" + Guid.NewGuid().ToString("n"));
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified), server = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        server.Connect(new UnixDomainSocketEndPoint(path));
        using Socket filter = listener.Accept();
        File.Delete(path);
        filter.Blocking = blocks;
        using NetworkStream stream = new(server);
        await ReadLateAsync(filter.SafeHandle, filter.SafeHandle, stream, stream, () => server.Shutdown(SocketShutdown.Send));
    }

    private static async Task ReadLateAsync(SafeHandle input, SafeHandle output, Stream to, Stream from, Action end)
    {
        Filter filter = new();
        filter.OnLine((_, line, lines) => lines.Write(line));
        Task<int> exit = filter.RunAsync(input, output);
        const string Line = "filter|0.7|1.000000|smtp-in|data-line|00000000000000aa|00000000000000bb|0123456789 0123456789 0123456789 0123456789\n";
        byte[] block = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(Line, 7000)));
        to.Write("config|ready\n"u8);
        to.Write(block);
        Task rest = Task.Run(() =>
        {
            for (int i = 0; i < 10; i++) to.Write(block);
        });
        StreamReader reader = new(from, Encoding.ASCII);
        int count = 0;
        while (count < 11 * 7000)
            if ((await reader.ReadLineAsync())!.StartsWith("filter-dataline|00000000000000aa|00000000000000bb|0123456789 ", StringComparison.Ordinal)) count++;
        await rest;
        end();
        Assert.Equal(0, await exit);
    }

    [Theory, InlineData(false), InlineData(true)]
    public async Task A_line_costs_no_allocation(bool bulk)
    {
        Filter filter = new();
        int lines = 0;
        long start = 0, least = long.MaxValue;
        filter.OnLine((_, line, output) =>
        {
            output.Write(line);
            lines++;
            if (lines == 100) start = GC.GetAllocatedBytesForCurrentThread();
            else if (lines == 2000) least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - start);
        });
        filter.OnMessageEnd((_, _) => lines = 0);
        await using FilterHarness harness = await FilterHarness.StartAsync(filter, new() { OffersBulk = bulk });
        FilterHarnessSession session = await harness.ConnectAsync();
        byte[] mail = Bytes(string.Concat(Enumerable.Repeat("a line of a body that is as long as most lines of a body are\n", 2000)));
        for (int i = 0; i < 30; i++) Assert.Equal(Verdict.Proceed, (await session.SendAsync(mail)).Verdict);
        Assert.Equal(0, least);
    }
}
