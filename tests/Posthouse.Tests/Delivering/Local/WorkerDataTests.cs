using System.Net.Sockets;
using System.Text;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Delivering.Local;
using Posthouse.Server.Processes;

namespace Posthouse.Tests.Delivering.Local;

/// <summary>What an engine that has been taken over can do with the socket to a worker: nothing but what it had leave for.</summary>
public sealed class WorkerDataTests : IAsyncLifetime
{
    private static readonly byte[] s_message = Encoding.ASCII.GetBytes("Subject: x\n\nbody\n");

    private readonly LocalSetup _setup = new(new LocalMethod.Maildir());
    private Socket _data = null!;
    private FileGrant _grant = null!;

    public async ValueTask InitializeAsync()
    {
        Envelope envelope = await _setup.AcceptAsync("Subject: x\r\n\r\nbody\r\n");
        Assert.True(DeliveryOrder.TryWrite(new PayloadWriter().Flag(false).Number(0), envelope, out PayloadWriter order));
        using ChannelRequest request = new(MessageKind.GrantFile, order.Payload, []);
        ChannelAnswer answer = await _setup.Privileges.Deliveries.ServeAsync(request, TestContext.Current.CancellationToken);
        _grant = Read(answer);
        _data = new(new SafeSocketHandle(Assert.Single(answer.Descriptors).DangerousGetHandle(), ownsHandle: true)) { ReceiveTimeout = 60_000 };
        answer.Descriptors[0].SetHandleAsInvalid();

        static FileGrant Read(ChannelAnswer answer)
        {
            PayloadReader reader = new(answer.Payload.Span);
            Assert.Equal(DeliveryReply.Done, reader.Byte());
            FileGrant grant = FileGrant.Read(ref reader);
            Assert.True(reader.IsWhole);
            return grant;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _data.Dispose();
        await _setup.DisposeAsync();
    }

    private void Send(byte kind, params ReadOnlySpan<byte> payload)
    {
        byte[] frame = new byte[WorkerFrame.HeaderLength + payload.Length];
        WorkerFrame.WriteHeader(frame, kind, 7, payload.Length);
        payload.CopyTo(frame.AsSpan(WorkerFrame.HeaderLength));
        _data.Send(frame);
    }

    private static byte[] Place(int target, string sender = "")
    {
        byte[] place = new byte[WorkerPayload.PlaceLength(sender)];
        WorkerPayload.PlaceOf(place, target, sender);
        return place;
    }

    /// <summary>The kind of the next answer; null when the worker has ended.</summary>
    private char? Receive()
    {
        byte[] header = Take(WorkerFrame.HeaderLength);
        if (header.Length == 0) return null;
        Assert.True(WorkerFrame.TryReadHeader(header, out byte kind, out uint number, out int length));
        Assert.Equal(7u, number);
        Take(length);
        return (char)kind;

        byte[] Take(int count)
        {
            byte[] block = new byte[count];
            int done = 0;
            try
            {
                for (int got; done < count && (got = _data.Receive(block.AsSpan(done))) > 0; done += got) ;
            }
            catch (SocketException exception) when (exception.SocketErrorCode == SocketError.ConnectionReset)
            {
                // It ended with something unread.
            }
            return block[..done];
        }
    }

    [Fact]
    public void A_granted_target_is_written_and_no_other()
    {
        foreach (int target in (int[])[_grant.Target + 1, 0, -1, int.MaxValue])
        {
            Send(WorkerFrame.Whole, [.. Place(target), .. s_message]);
            Assert.Equal('U', Receive());
            Send(WorkerFrame.Begin, Place(target));
            Assert.Equal('U', Receive());
        }
        Assert.Empty(Directory.GetFileSystemEntries(_setup.Home));
        Send(WorkerFrame.Whole, [.. Place(_grant.Target), .. s_message]);
        Assert.Equal('R', Receive());
        Assert.Equal("Subject: x\n\nbody\n", File.ReadAllText(Assert.Single(Directory.GetFiles(_setup.Home + "/Maildir/new"))));
    }

    [Theory]
    [InlineData('T')]
    [InlineData('F')]
    [InlineData('G')]
    [InlineData('R')]
    [InlineData('x')]
    public void Words_of_the_parent_s_end_the_worker(char kind)
    {
        Send((byte)kind, WorkerPayload.Of(new FileTarget.Mbox(_setup.Home + "/planted", System: false)));
        Assert.Null(Receive());
        Assert.Empty(Directory.GetFileSystemEntries(_setup.Home));
    }

    [Fact]
    public void A_path_in_the_place_of_a_number_is_nothing_but_a_number()
    {
        Send(WorkerFrame.Whole, [.. WorkerPayload.Of(new FileTarget.Mbox(_setup.Home + "/planted", System: false)), .. s_message]);
        Assert.True(Receive() is null or 'U');
        Assert.Empty(Directory.GetFileSystemEntries(_setup.Home));
    }

    [Fact]
    public void A_sender_with_a_line_end_ends_the_worker()
    {
        Send(WorkerFrame.Whole, [.. Place(_grant.Target, "a\nFrom b"), .. s_message]);
        Assert.Null(Receive());
    }

    [Fact]
    public void Parts_of_a_message_that_was_not_begun_end_the_worker()
    {
        Send(WorkerFrame.Data, s_message);
        Assert.Null(Receive());
    }

    [Fact]
    public void A_frame_too_long_to_be_one_ends_the_worker()
    {
        byte[] header = new byte[WorkerFrame.HeaderLength];
        WorkerFrame.WriteHeader(header, WorkerFrame.Whole, 7, int.MaxValue);
        _data.Send(header);
        Assert.Null(Receive());
    }

    [Fact]
    public void A_large_message_is_opened_then_taken_and_one_given_up_leaves_no_trace()
    {
        Send(WorkerFrame.Begin, Place(_grant.Target));
        Assert.Equal('O', Receive());
        Send(WorkerFrame.Data, s_message);
        Send(WorkerFrame.Abort);
        Send(WorkerFrame.Begin, Place(_grant.Target));
        Assert.Equal('O', Receive());
        Send(WorkerFrame.Data, s_message);
        Send(WorkerFrame.Data, s_message);
        Send(WorkerFrame.End);
        Assert.Equal('R', Receive());
        Assert.Equal("Subject: x\n\nbody\nSubject: x\n\nbody\n", File.ReadAllText(Assert.Single(Directory.GetFiles(_setup.Home + "/Maildir/new"))));
        Assert.Empty(Directory.GetFiles(_setup.Home + "/Maildir/tmp"));
    }

    [Fact]
    public async Task An_engine_that_dies_in_the_middle_leaves_no_trace_and_no_worker()
    {
        Send(WorkerFrame.Begin, Place(_grant.Target));
        Assert.Equal('O', Receive());
        Send(WorkerFrame.Data, s_message);
        // Its death closes its end; the parent's copy goes with the deliveries of that engine.
        _data.Dispose();
        _setup.Privileges.Deliveries.Dispose();
        await Eventually.TrueAsync(() => Directory.GetFiles(_setup.Home + "/Maildir/tmp").Length == 0, "what was unfinished is gone");
        Assert.Empty(Directory.GetFiles(_setup.Home + "/Maildir/new"));
        Assert.Empty(_setup.Privileges.Workers);
    }
}
