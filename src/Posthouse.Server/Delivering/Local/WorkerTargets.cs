using Posthouse.Server.Native;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// What the parent has told a worker, by number, read from the control socket. The parent tells of a target before it answers the
/// engine; so when a message comes for a number that is not known, its meaning is on the way, at the latest, in the socket.
/// </summary>
internal sealed unsafe class WorkerTargets(int descriptor)
{
    private const short Readable = 1;

    private readonly Dictionary<int, FileTarget> _known = [];

    /// <summary>The target of a number; null when there is none.</summary>
    internal FileTarget? Find(int number)
    {
        FileTarget? target;
        while (!_known.TryGetValue(number, out target) && IsWaiting() && Read()) ;
        // A mailbox that somebody has removed since root made it must be asked for again.
        return target is { IsGone: true } ? null : target;
    }

    /// <summary>Reads one frame; false at the end, or when it is malformed.</summary>
    internal bool Read()
    {
        Span<byte> header = stackalloc byte[WorkerFrame.HeaderLength];
        if (!BlockingDescriptor.ReadAll(descriptor, header) || !WorkerFrame.TryReadHeader(header, out byte kind, out uint number, out int length)) return false;
        byte[] payload = new byte[length];
        if (!BlockingDescriptor.ReadAll(descriptor, payload)) return false;
        switch (kind)
        {
            case WorkerFrame.Target:
                if (WorkerPayload.ReadTarget(payload) is not { } target) return false;
                _known[(int)number] = target;
                return true;
            case WorkerFrame.Forget:
                _known.Remove((int)number);
                return true;
            case WorkerFrame.ForgetAll:
                _known.Clear();
                return true;
            default:
                return false;
        }
    }

    private bool IsWaiting()
    {
        Libc.PollDescriptor socket = new() { Descriptor = descriptor, Events = Readable };
        return Libc.poll(&socket, 1, 0) > 0;
    }
}
