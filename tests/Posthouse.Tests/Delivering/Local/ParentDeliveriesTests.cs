using System.Text;
using CsCheck;
using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Delivering.Local;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;

namespace Posthouse.Tests.Delivering.Local;

/// <summary>The parent, asked by an engine that has been taken over.</summary>
public sealed class ParentDeliveriesTests : IAsyncDisposable
{
    private static readonly MessageKind[] s_kinds = [MessageKind.GrantFile, MessageKind.StartProgram, MessageKind.ReadForward, MessageKind.ReadInclude, MessageKind.CheckPassword];

    private readonly LocalSetup _setup = new(new LocalMethod.Maildir());

    public ValueTask DisposeAsync() => _setup.DisposeAsync();

    private async Task<byte[]> AskAsync(MessageKind kind, byte[] payload)
    {
        using ChannelRequest request = new(kind, payload, []);
        using ChannelAnswer answer = await _setup.Privileges.Deliveries.ServeAsync(request, TestContext.Current.CancellationToken);
        return answer.Payload.ToArray();
    }

    private static byte[] Grant(Envelope envelope)
    {
        Assert.True(DeliveryOrder.TryWrite(new PayloadWriter().Flag(false).Number(0), envelope, out PayloadWriter order));
        return order.Payload.ToArray();
    }

    private static Envelope Order(string action = "local", string? user = "tester", string? source = null, string sender = "a@example.org", string? extension = null) => new()
    {
        Id = default,
        Kind = EnvelopeKind.Mda,
        Action = action,
        User = user,
        Source = source,
        Extension = extension,
        Sender = sender,
        Recipient = "r@example.com",
        Destination = "d@example.com",
        Size = 0,
        Created = 0,
        Expires = 0,
    };

    private static string Failure(byte[] answer)
    {
        PayloadReader reader = new(answer);
        Assert.Equal(DeliveryReply.Failed, reader.Byte());
        return DeliveryReply.ReadFailure(ref reader).Text;
    }

    [Fact]
    public void Whatever_is_asked_is_answered_and_nothing_is_made_of_it() => Gen.Select(Gen.Int[0, 4], Gen.Byte.Array[0, 120]).Sample((kind, payload) =>
    {
        byte[] answer = AskAsync(s_kinds[kind], payload).GetAwaiter().GetResult();
        Assert.InRange(answer.Length, 0, Channel.MaxPayload);
        Assert.Empty(_setup.Privileges.Workers);
    }, iter: 500);

    [Fact]
    public async Task What_is_cut_off_too_long_or_holds_control_characters_is_answered_by_nothing()
    {
        byte[] whole = Grant(Order());
        for (int length = 0; length < whole.Length; length++) Assert.Empty(await AskAsync(MessageKind.GrantFile, whole[..length]));
        Assert.Empty(await AskAsync(MessageKind.GrantFile, [.. whole, 0]));
        foreach (string bad in (string[])["a\nb", "a\0b", "a\u007fb", new string('a', DeliveryOrder.MaxText + 1)])
        {
            // Written past the checks that an honest engine makes.
            byte[] payload = new PayloadWriter().Flag(false).Number(0).Text("local").Optional("tester").Optional(null).Optional(null).Text(bad).Text("r@example.com").Text("d@example.com").Payload.ToArray();
            Assert.Empty(await AskAsync(MessageKind.GrantFile, payload));
        }
        Assert.Empty(_setup.Privileges.Workers);
    }

    [Fact]
    public async Task Only_what_the_configuration_holds_can_be_named()
    {
        Assert.Equal("unknown action other", Failure(await AskAsync(MessageKind.GrantFile, Grant(Order(action: "other")))));
        Assert.Equal("there is no user ../../etc any more", Failure(await AskAsync(MessageKind.GrantFile, Grant(Order(user: "../../etc")))));
        Assert.Equal("the envelope names no user", Failure(await AskAsync(MessageKind.GrantFile, Grant(Order(user: null)))));
        _setup.Entry = "not a path";
        Assert.Equal("forward:tester:0 is gone", Failure(await AskAsync(MessageKind.GrantFile, Grant(Order(source: "forward:tester:0")))));
        Assert.Empty(_setup.Privileges.Workers);
    }

    [Fact]
    public async Task A_sub_address_never_leads_out_of_the_maildir()
    {
        foreach (string extension in (string[])["../../x", "/etc", "..", "a/../../../b"])
            Assert.Equal(DeliveryReply.Done, (await AskAsync(MessageKind.GrantFile, Grant(Order(extension: extension))))[0]);
        await _setup.DeliverAsync(await _setup.AcceptAsync("Subject: x\r\n\r\nbody\r\n", extension: "../../x"));
        Assert.Single(Directory.GetFiles(_setup.Home + "/Maildir/new"));
        Assert.Equal(["Maildir"], Directory.GetFileSystemEntries(_setup.Home).Select(Path.GetFileName));
    }

    [Fact]
    public async Task A_flood_of_one_kind_is_refused_and_keeps_no_other_waiting()
    {
        _setup.Gate = new();
        _setup.Entry = _setup.Home + "/archive";
        Task<byte[]>[] flood = [.. Enumerable.Range(0, 300).Select(_ => AskAsync(MessageKind.GrantFile, Grant(Order(source: "forward:tester:0"))))];
        Task<byte[]>[] refused = [.. flood.Where(static task => task.IsCompleted)];
        Assert.InRange(refused.Length, 200, 299);
        foreach (Task<byte[]> task in refused) Assert.Equal("too many deliveries at once", Failure(await task));
        // The other kinds are served: there are no files here, so the answer is nothing at all.
        Assert.Empty(await AskAsync(MessageKind.ReadForward, new PayloadWriter().Text("local").Text("tester").Payload.ToArray()));
        _setup.Gate.SetResult();
        foreach (Task<byte[]> task in flood.Except(refused)) Assert.Equal(DeliveryReply.Done, (await task)[0]);
    }

    [Fact]
    public async Task A_descriptor_where_none_belongs_is_closed()
    {
        Assert.Equal(0, PacketSocket.Pair(out int ours, out int theirs));
        using Channel parent = new(theirs, "engine", _setup.Privileges.Deliveries.ServeAsync, NullLogger.Instance);
        using Channel engine = new(ours, "parent", static (_, _) => new(ChannelAnswer.Empty), NullLogger.Instance);
        Assert.Equal(0, DescriptorPair.Pipe(out int read, out int write));
        foreach (MessageKind kind in s_kinds)
            using (await engine.AskAsync(kind, Encoding.ASCII.GetBytes("x"), TimeSpan.FromSeconds(60), CancellationToken.None, new[] { write }))
            {
            }
        Libc.close(write);
        // When every copy of the writing end is closed, the pipe ends.
        await Task.Run(() => Assert.False(BlockingDescriptor.ReadAll(read, new byte[1]))).WaitAsync(TimeSpan.FromSeconds(60));
        Libc.close(read);
    }
}
