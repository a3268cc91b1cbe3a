using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;

namespace Posthouse.Tests.Processes;

public class ChannelTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Both_sides_ask_at_once_and_each_gets_its_own_answers()
    {
        (Channel left, Channel right) = Pair(Echo, Echo);
        using (left)
        using (right)
        {
            await Task.WhenAll(Enumerable.Range(0, 1000).Select(async i =>
            {
                Channel asking = i % 2 == 0 ? left : right;
                byte[] question = Encoding.ASCII.GetBytes($"question {i}");
                using ChannelAnswer? answer = await asking.AskAsync(MessageKind.Ping, question, s_patience, CancellationToken.None);
                Assert.Equal(question, answer!.Payload.ToArray());
            }));
        }

        static ValueTask<ChannelAnswer> Echo(ChannelRequest request, CancellationToken cancellation) => new(new ChannelAnswer(request.Payload));
    }

    [Fact]
    public async Task Two_sides_with_more_questions_than_are_served_at_a_time_do_not_wait_for_each_other()
    {
        TaskCompletionSource gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
        (Channel left, Channel right) = Pair(Wait, Wait);
        using (left)
        using (right)
        {
            Task<ChannelAnswer?>[] asked = [.. Enumerable.Range(0, 2000).Select(i => (i % 2 == 0 ? left : right).AskAsync(MessageKind.Ping, new byte[100], s_patience, CancellationToken.None).AsTask())];
            gate.SetResult();
            foreach (ChannelAnswer? answer in await Task.WhenAll(asked)) Assert.Equal(100, answer!.Payload.Length);
        }

        async ValueTask<ChannelAnswer> Wait(ChannelRequest request, CancellationToken cancellation)
        {
            await gate.Task;
            return new ChannelAnswer(request.Payload);
        }
    }

    [Fact]
    public async Task Descriptors_travel_with_a_question_and_with_its_answer()
    {
        (Channel left, Channel right) = Pair(Nothing, static (request, _) =>
        {
            Assert.Equal(1, request.DescriptorCount);
            using SafeFileHandle file = new(request.TakeDescriptor(0), ownsHandle: true);
            RandomAccess.Write(file, "written by the other side"u8, 0);
            return new(new ChannelAnswer(default, File.OpenHandle("/dev/null"), File.OpenHandle("/dev/zero")));
        });
        using (left)
        using (right)
        {
            string path = Path.GetTempFileName();
            using (SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite))
            {
                using ChannelAnswer? answer = await left.AskAsync(MessageKind.Ping, default, s_patience, CancellationToken.None, new int[] { (int)file.DangerousGetHandle() });
                Assert.Equal(2, answer!.Descriptors.Length);
                byte[] zero = [1];
                RandomAccess.Read((SafeFileHandle)answer.Descriptors[1], zero, 0);
                Assert.Equal(0, zero[0]);
            }
            Assert.Equal("written by the other side", await File.ReadAllTextAsync(path));
            File.Delete(path);
        }
    }

    [Fact]
    public async Task A_question_that_cannot_be_answered_is_no_answer_and_hurts_no_other()
    {
        (Channel left, Channel right) = Pair(Nothing, static (request, _) =>
            request.Payload.Length == 1 ? throw new InvalidOperationException("told to fail") : new(new ChannelAnswer(new byte[] { 42 })));
        using (left)
        using (right)
        {
            using ChannelAnswer? failed = await left.AskAsync(MessageKind.Ping, new byte[1], s_patience, CancellationToken.None);
            Assert.Equal(0, failed!.Payload.Length);
            using ChannelAnswer? good = await left.AskAsync(MessageKind.Ping, new byte[2], s_patience, CancellationToken.None);
            Assert.Equal([42], good!.Payload.ToArray());
        }
    }

    [Fact]
    public async Task Who_waits_when_the_other_side_ends_gets_no_answer()
    {
        TaskCompletionSource asked = new();
        (Channel left, Channel right) = Pair(Nothing, async (_, cancellation) =>
        {
            asked.TrySetResult();
            await Task.Delay(Timeout.Infinite, cancellation);
            return ChannelAnswer.Empty;
        });
        ValueTask<ChannelAnswer?> waiting = left.AskAsync(MessageKind.Ping, default, s_patience, CancellationToken.None);
        await asked.Task.WaitAsync(s_patience);
        right.Dispose();
        Assert.Null(await waiting);
        await left.Ended.WaitAsync(s_patience);
        Assert.Null(await left.AskAsync(MessageKind.Ping, default, s_patience, CancellationToken.None));
        left.Dispose();
    }

    [Fact]
    public async Task A_late_answer_is_no_answer()
    {
        TaskCompletionSource answer = new();
        (Channel left, Channel right) = Pair(Nothing, async (_, _) =>
        {
            await answer.Task;
            return new ChannelAnswer(default, File.OpenHandle("/dev/null"));
        });
        using (left)
        using (right)
        {
            Assert.Null(await left.AskAsync(MessageKind.Ping, default, TimeSpan.FromMilliseconds(1), CancellationToken.None));
            answer.SetResult();
            using ChannelAnswer? second = await left.AskAsync(MessageKind.Ping, default, s_patience, CancellationToken.None);
            Assert.NotNull(second);
        }
    }

    [Fact]
    public async Task What_is_no_packet_ends_the_conversation()
    {
        Assert.Equal(0, PacketSocket.Pair(out int ours, out int theirs));
        using Channel channel = new(ours, "nobody", Nothing, NullLogger.Instance);
        using PacketSocket raw = new(theirs);
        Assert.Equal(0, raw.Send([1, 2, 3], default));
        await channel.Ended.WaitAsync(s_patience);
    }

    [Fact]
    public async Task An_answer_that_nobody_asked_for_is_dropped_with_its_descriptors()
    {
        Assert.Equal(0, PacketSocket.Pair(out int ours, out int theirs));
        using Channel channel = new(ours, "nobody", static (request, _) => new(new ChannelAnswer(request.Payload)), NullLogger.Instance);
        using PacketSocket raw = new(theirs);
        using SafeFileHandle file = File.OpenHandle("/dev/null");
        Assert.Equal(0, raw.Send([(byte)MessageKind.Answer, 9, 9, 9, 9, 1], [(int)file.DangerousGetHandle()]));
        Assert.Equal(0, raw.Send([(byte)MessageKind.Ping, 1, 0, 0, 0, 77], default));
        byte[] packet = new byte[100];
        int length = await Task.Run(() => raw.Receive(packet, default, out _));
        Assert.Equal([(byte)MessageKind.Answer, 1, 0, 0, 0, 77], packet[..length]);
    }

    private static (Channel Left, Channel Right) Pair(
        Func<ChannelRequest, CancellationToken, ValueTask<ChannelAnswer>> left, Func<ChannelRequest, CancellationToken, ValueTask<ChannelAnswer>> right)
    {
        Assert.Equal(0, PacketSocket.Pair(out int ours, out int theirs));
        return (new(ours, "right", left, NullLogger.Instance), new(theirs, "left", right, NullLogger.Instance));
    }

    private static ValueTask<ChannelAnswer> Nothing(ChannelRequest request, CancellationToken cancellation) => new(ChannelAnswer.Empty);
}
