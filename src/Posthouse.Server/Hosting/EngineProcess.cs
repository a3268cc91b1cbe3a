using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Hosting;

/// <summary>The parent's view of one engine: a process and the conversation with it.</summary>
internal sealed class EngineProcess : IDisposable
{
    /// <summary>The executable's argument for the role, for whoever looks at the list of processes.</summary>
    internal const string Argument = "--role=engine";

    /// <summary>The engine's end of the conversation with its parent.</summary>
    internal const int ChannelDescriptor = ChildRole.ControlDescriptor + 1;

    private const int SocketsAtOnce = 16;

    // Opening a queue of millions of messages takes a while, and repairing one longer.
    private static readonly TimeSpan s_start = TimeSpan.FromMinutes(30);
    private static readonly TimeSpan s_change = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_stop = TimeSpan.FromSeconds(60);

    private EngineProcess(RunningProcess process, Channel channel)
    {
        Process = process;
        Channel = channel;
    }

    /// <summary>The process.</summary>
    internal RunningProcess Process { get; }

    /// <summary>The conversation.</summary>
    internal Channel Channel { get; }

    /// <summary>Starts an engine that does nothing yet; blocks for some 50 ms. Null, with the reason, when there is none.</summary>
    /// <param name="starter">Starts children.</param>
    /// <param name="user">Whom it becomes; null for nobody else.</param>
    /// <param name="state">The state directory; its spool is where it works.</param>
    /// <param name="held">The lock on the state, which it holds too.</param>
    /// <param name="serve">Answers what it asks.</param>
    /// <param name="logger">For the conversation.</param>
    /// <param name="failure">The reason.</param>
    internal static EngineProcess? Start(
        ChildStarter starter, UserAccount? user, StateDirectory state, SafeFileHandle held,
        Func<ChannelRequest, CancellationToken, ValueTask<ChannelAnswer>> serve, ILogger logger, out string? failure)
    {
        if (PacketSocket.Pair(out int ours, out int theirs) is not 0 and int error)
        {
            failure = Errno.Text(error);
            return null;
        }
        ChildRequest request = new()
        {
            Arguments = [.. starter.Executable.Command, Argument],
            Environment = ServerEnvironment.Variables(),
            Directory = state.Spool,
            ChangesIdentity = user is not null,
            Uid = user?.Uid ?? 0,
            Gid = user?.Gid ?? 0,
            Words = [state.Path],
            Kept = 2,
            IsServer = true,
        };
        using SafeFileHandle nothing = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.ReadWrite);
        int empty = (int)nothing.DangerousGetHandle();
        int? process = starter.Start(request, empty, empty, 2, out failure, [theirs, (int)held.DangerousGetHandle()]);
        Libc.close(theirs);
        if (process is { } id) return new(new RunningProcess(id), new Channel(ours, "engine", serve, logger));
        Libc.close(ours);
        return null;
    }

    /// <summary>Has it serve by orders: by all of them at first, by their configuration and certificates later.</summary>
    internal async ValueTask<ReloadResult> OrderAsync(EngineOrders orders, IReadOnlyList<(EndPoint EndPoint, Socket Socket)> sockets, bool first, CancellationToken cancellation = default)
    {
        for (int done = 0; done < sockets.Count; done += SocketsAtOnce)
        {
            (EndPoint EndPoint, Socket Socket)[] some = [.. sockets.Skip(done).Take(SocketsAtOnce)];
            PayloadWriter names = new PayloadWriter().Number(some.Length);
            foreach ((EndPoint endPoint, _) in some) names.Text(ListenerSet.NameOf(endPoint));
            if (await Channel.AskAsync(MessageKind.Sockets, names.Payload, s_change, cancellation, Array.ConvertAll(some, static each => (int)each.Socket.Handle)) is null)
                return Gone();
        }
        using SafeFileHandle file = MemoryFile.Create("orders", orders.ToBytes().Span);
        using ChannelAnswer? answer = await Channel.AskAsync(MessageKind.Configure, default, first ? s_start : s_change, cancellation, new int[] { (int)file.DangerousGetHandle() });
        return answer is null ? Gone() : ReloadAnswer.Parse(answer.Payload.Span) ?? Gone();
    }

    /// <summary>Asks it to end in good order, and makes it end if it takes longer than a minute.</summary>
    internal async Task StopAsync()
    {
        await Channel.AskAsync(MessageKind.Stop, default, s_stop, CancellationToken.None);
        try
        {
            await Process.Ended.WaitAsync(s_stop);
        }
        catch (TimeoutException)
        {
            Process.Kill();
            await Process.Ended;
        }
    }

    /// <summary>Ends the conversation, upon which it ends at once.</summary>
    public void Dispose()
    {
        Channel.Dispose();
        Process.Kill();
    }

    private static ReloadResult Gone() => ReloadResult.Refused(Fault.Temporary("the engine failed", "the engine ended before it could serve"));
}
