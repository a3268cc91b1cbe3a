namespace Posthouse.Server.Native;

/// <summary>
/// One end of a pair of Unix sockets that keep packets apart and can carry descriptors (SOCK_SEQPACKET, unix(7)). Its
/// members block: give an end that is received from a thread of its own.
/// </summary>
internal sealed unsafe class PacketSocket : IDisposable
{
    /// <summary>Longest packet in bytes.</summary>
    internal const int MaxPacket = 64 << 10;

    /// <summary>Most descriptors with a packet.</summary>
    internal const int MaxDescriptors = 32;

    private const int UnixDomain = 1;
    private const int SequencedPackets = 5;
    private const int SocketLevel = 1;
    private const int SendTimeout = 21;
    private const int ReceiveTimeout = 20;
    private const int Rights = 1;
    private const int NoSignal = 0x4000;
    private const int CloseOnExec = 0x40000000;
    private const int Truncated = 0x20;
    private const int ControlTruncated = 0x8;
    private const int ControlHeader = 16;

    private readonly SafeDescriptor _socket;

    /// <summary>Takes over a descriptor.</summary>
    internal PacketSocket(int descriptor) => _socket = new(descriptor);

    /// <summary>Two ends connected to each other, both closed on exec; 0 or an error number.</summary>
    internal static int Pair(out int ours, out int theirs)
    {
        int* pair = stackalloc int[2];
        int result = Libc.socketpair(UnixDomain, SequencedPackets | OpenFlags.CloseOnExec, 0, pair);
        (ours, theirs) = result == 0 ? (pair[0], pair[1]) : (-1, -1);
        return result == 0 ? 0 : Errno.Last;
    }

    /// <summary>How long a send waits for a peer that does not read; without this, for ever.</summary>
    internal void SetSendTimeout(TimeSpan limit) => SetTimeout(SendTimeout, limit);

    /// <summary>How long a receive waits; without this, for ever.</summary>
    internal void SetReceiveTimeout(TimeSpan limit) => SetTimeout(ReceiveTimeout, limit);

    /// <summary>Sends one packet (not empty) with copies of descriptors; 0 or an error number (<see cref="Errno.Again"/> when the peer does not read in time).</summary>
    internal int Send(ReadOnlySpan<byte> packet, ReadOnlySpan<int> descriptors)
    {
        if (packet.IsEmpty || packet.Length > MaxPacket || descriptors.Length > MaxDescriptors) throw new ArgumentException("a packet out of bounds", nameof(packet));
        byte* control = stackalloc byte[ControlHeader + (MaxDescriptors * sizeof(int))];
        using SafeDescriptor.Use use = _socket.Enter();
        if (!use.IsOpen) return Errno.BadDescriptor;
        fixed (byte* start = packet)
        {
            Libc.IoVector vector = new() { Base = start, Length = (nuint)packet.Length };
            Libc.MessageHeader header = new() { Vectors = &vector, VectorCount = 1 };
            if (!descriptors.IsEmpty)
            {
                int length = ControlHeader + (descriptors.Length * sizeof(int));
                *(nuint*)control = (nuint)length;
                *(int*)(control + 8) = SocketLevel;
                *(int*)(control + 12) = Rights;
                descriptors.CopyTo(new Span<int>(control + ControlHeader, descriptors.Length));
                header.Control = control;
                header.ControlLength = (nuint)((length + 7) & ~7);
            }
            nint sent;
            do sent = Libc.sendmsg(use.Descriptor, &header, NoSignal);
            while (sent < 0 && Errno.Last == Errno.Interrupted);
            return sent >= 0 ? 0 : Errno.Last;
        }
    }

    /// <summary>
    /// Waits for one packet; its length, 0 at the end, or a negative error number. A packet that is too long for
    /// <paramref name="buffer"/>, or brought more descriptors than fit, is <see cref="Errno.MessageSize"/>; descriptors that came are the caller's.
    /// </summary>
    internal int Receive(Span<byte> buffer, Span<int> descriptors, out int count)
    {
        count = 0;
        byte* control = stackalloc byte[ControlHeader + (MaxDescriptors * sizeof(int))];
        using SafeDescriptor.Use use = _socket.Enter();
        if (!use.IsOpen) return 0;
        fixed (byte* start = buffer)
        {
            Libc.IoVector vector = new() { Base = start, Length = (nuint)buffer.Length };
            Libc.MessageHeader header = new() { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = ControlHeader + (MaxDescriptors * sizeof(int)) };
            nint length;
            do length = Libc.recvmsg(use.Descriptor, &header, CloseOnExec);
            while (length < 0 && Errno.Last == Errno.Interrupted);
            if (length < 0) return -Errno.Last;
            bool tooMany = false;
            if (header.ControlLength >= ControlHeader && *(int*)(control + 8) == SocketLevel && *(int*)(control + 12) == Rights)
            {
                int came = (int)(*(nuint*)control - ControlHeader) / sizeof(int);
                foreach (int descriptor in new ReadOnlySpan<int>(control + ControlHeader, came))
                {
                    if (count < descriptors.Length) descriptors[count++] = descriptor;
                    else
                    {
                        Libc.close(descriptor);
                        tooMany = true;
                    }
                }
            }
            return tooMany || (header.Flags & (Truncated | ControlTruncated)) != 0 ? -Errno.MessageSize : (int)length;
        }
    }

    /// <summary>Ends the conversation; a receive that waits on another thread answers 0. The descriptor is closed when nobody uses it any more.</summary>
    public void Dispose()
    {
        using (SafeDescriptor.Use use = _socket.Enter())
            if (use.IsOpen) Libc.shutdown(use.Descriptor, 2);
        _socket.Dispose();
    }

    private void SetTimeout(int option, TimeSpan limit)
    {
        long* value = stackalloc long[2];
        value[0] = (long)limit.TotalSeconds;
        value[1] = limit.Microseconds + (limit.Milliseconds * 1000L);
        using SafeDescriptor.Use use = _socket.Enter();
        if (use.IsOpen) Libc.setsockopt(use.Descriptor, SocketLevel, option, (byte*)value, 16);
    }
}
