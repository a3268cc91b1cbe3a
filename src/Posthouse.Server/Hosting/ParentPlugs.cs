using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Hosting;

/// <summary>
/// The plugs that the parent runs for one engine. It starts what <paramref name="definitions"/> has, tells the engine how each ended, and ends each that the engine lets go: by
/// closing its end of the status socket, or by no longer sending there. Disposing it has all of them ended.
/// </summary>
internal sealed class ParentPlugs(PlugDefinitions definitions, PlugLauncher launcher, TimeProvider time, int slack = ParentPlugs.Slack) : IDisposable
{
    /// <summary>Most processes at once, whatever the configuration.</summary>
    internal const int Most = 1024;

    /// <summary>How many may run beside two of each: what is told to end takes a while, and more of it is about if it fails again and again.</summary>
    internal const int Slack = 32;

    private readonly ServeBound _starts = new(RemotePlugStarter.StartsAtOnce);
    private readonly Dictionary<PlugChild, Task> _running = [];
    private int _reserved;
    private bool _disposed;

    /// <summary>Completes when all that ran have ended.</summary>
    internal Task Over
    {
        get
        {
            lock (_running) return Task.WhenAll(_running.Values);
        }
    }

    /// <summary>Answers <see cref="MessageKind.StartPlug"/>. What cannot be understood is answered by nothing.</summary>
    internal async ValueTask<ChannelAnswer> ServeAsync(ChannelRequest request) =>
        await _starts.ServeAsync(() => StartAsync(request.Payload)) ?? PlugReply.Failed("too many plugs are being started");

    /// <summary>Tells all of them to end, and returns.</summary>
    public void Dispose()
    {
        PlugChild[] running;
        lock (_running)
        {
            _disposed = true;
            running = [.. _running.Keys];
        }
        foreach (PlugChild child in running) child.Terminate();
    }

    private async ValueTask<ChannelAnswer> StartAsync(ReadOnlyMemory<byte> payload)
    {
        if (PlugOrder.Parse(payload.Span) is not { } order) return ChannelAnswer.Empty;
        if (definitions.Find(order) is not { } command) return PlugReply.Failed("the configuration has no such plug");
        int most = Math.Min(Most, (2 * definitions.Processes) + slack);
        lock (_running)
        {
            if (_disposed) return PlugReply.Failed("the server stops");
            if (_reserved >= most) return PlugReply.Failed($"{most} plugs run already");
            _reserved++;
        }
        return await Task.Factory.StartNew(() => Start(command), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    // In a place that is reserved.
    private ChannelAnswer Start(PlugCommand command)
    {
        string? failure;
        LaunchedPlug? launched = null;
        if (DescriptorPair.Sockets(out int ours, out int theirs) is not 0 and int error) failure = Errno.Text(error);
        else launched = launcher.Launch(command, out failure);
        if (launched is null)
        {
            Release();
            if (ours >= 0) Libc.close(ours);
            if (theirs >= 0) Libc.close(theirs);
            return PlugReply.Failed(failure ?? "");
        }
        PlugChild child = new(launched.Process, time);
        Socket status = new(new SafeSocketHandle(ours, ownsHandle: true));
        lock (_running)
        {
            // Added before it can be removed: its task begins by giving way.
            _running[child] = AttendAsync(child, status);
            if (_disposed) child.Terminate();
        }
        return new(PlugReply.Started(child.Id), launched.Conversation, launched.Errors, new SafeFileHandle(theirs, ownsHandle: true));
    }

    private async Task AttendAsync(PlugChild child, Socket status)
    {
        await Task.Yield();
        ProcessEnd end;
        using (status)
        {
            await Task.WhenAny(child.Ended, HearAsync(status));
            child.Terminate();
            end = await child.Ended;
            byte[] told = new byte[ProgramStatus.Length];
            ProgramStatus.Write(told, end.Code, end.Signal, timedOut: false);
            try
            {
                status.Send(told);
            }
            catch (SocketException)
            {
                // Nobody wants to know.
            }
        }
        lock (_running) _running.Remove(child);
        Release();
    }

    // Whatever comes, an end above all, means that the plug is let go.
    private static async Task HearAsync(Socket status)
    {
        try
        {
            await status.ReceiveAsync(new byte[1]);
        }
        catch (SocketException)
        {
            // We have closed it.
        }
    }

    private void Release()
    {
        lock (_running) _reserved--;
    }
}
