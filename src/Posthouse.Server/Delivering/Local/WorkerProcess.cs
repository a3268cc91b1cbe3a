using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Native;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// The parent's side of one delivery worker: its process, the socket by which it is told targets, and a copy of the
/// engine's end of the socket for messages. Not thread-safe; <see cref="WorkerProcesses"/> sees to that.
/// </summary>
internal sealed class WorkerProcess(int number, int process, WorkerIdentity identity, Socket control, SafeFileHandle data) : IDisposable
{
    /// <summary>Most targets that a worker is told; the oldest is forgotten for a new one.</summary>
    internal const int TargetBound = 4096;

    private readonly Dictionary<FileTarget, int> _targets = [];
    private readonly Queue<FileTarget> _order = [];
    private int _lastTarget;

    /// <summary>Its number, never used again.</summary>
    internal int Number => number;

    /// <summary>Its process.</summary>
    internal int Process => process;

    /// <summary>As whom it works.</summary>
    internal WorkerIdentity Identity => identity;

    /// <summary>Completes when it has ended (or says something, which it never should).</summary>
    internal async Task EndedAsync()
    {
        try
        {
            await control.ReceiveAsync(new byte[1], SocketFlags.None);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // So it has ended.
        }
    }

    /// <summary>The number of a target, of which the worker is told unless it knows; 0 when it cannot be told, and is to be let go.</summary>
    internal int Tell(FileTarget target)
    {
        if (_targets.TryGetValue(target, out int known)) return known;
        if (_order.Count == TargetBound)
        {
            _targets.Remove(_order.Dequeue(), out int oldest);
            if (!Send(WorkerFrame.Forget, oldest, [])) return 0;
        }
        int next = ++_lastTarget;
        if (!Send(WorkerFrame.Target, next, WorkerPayload.Of(target))) return 0;
        _targets.Add(target, next);
        _order.Enqueue(target);
        return next;
    }

    /// <summary>Makes it forget all targets; false when it cannot be told.</summary>
    internal bool Forget()
    {
        _targets.Clear();
        _order.Clear();
        return Send(WorkerFrame.ForgetAll, 0, []);
    }

    /// <summary>A copy of the engine's end; null when no descriptor can be had.</summary>
    internal SafeFileHandle? CopyData()
    {
        int copy = DescriptorPair.Copy((int)data.DangerousGetHandle());
        return copy < 0 ? null : new(copy, ownsHandle: true);
    }

    /// <summary>Lets it end.</summary>
    public void Dispose()
    {
        control.Dispose();
        data.Dispose();
    }

    // It is a process of its user's, who may stop it: then its socket fills up, and nobody waits for that.
    private bool Send(byte kind, int target, ReadOnlySpan<byte> payload)
    {
        byte[] frame = new byte[WorkerFrame.HeaderLength + payload.Length];
        WorkerFrame.WriteHeader(frame, kind, (uint)target, payload.Length);
        payload.CopyTo(frame.AsSpan(WorkerFrame.HeaderLength));
        try
        {
            return control.Send(frame, SocketFlags.None, out SocketError error) == frame.Length && error == SocketError.Success;
        }
        catch (ObjectDisposedException)
        {
            return false;
        }
    }
}
