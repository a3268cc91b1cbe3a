namespace Posthouse.Server.Native;

/// <summary>read(2), write(2) and fsync(2) on a descriptor until they are done; interrupted calls are repeated.</summary>
internal static unsafe class BlockingDescriptor
{
    /// <summary>Writes all of <paramref name="block"/>; 0 or an error number.</summary>
    internal static int WriteAll(int descriptor, ReadOnlySpan<byte> block)
    {
        fixed (byte* start = block)
        {
            for (int done = 0; done < block.Length;)
            {
                nint written = Libc.write(descriptor, start + done, (nuint)(block.Length - done));
                if (written > 0) done += (int)written;
                else if (Errno.Last != Errno.Interrupted) return Errno.Last;
            }
        }
        return 0;
    }

    /// <summary>Fills <paramref name="block"/>; false when the other side ends or fails before that.</summary>
    internal static bool ReadAll(int descriptor, Span<byte> block)
    {
        fixed (byte* start = block)
        {
            for (int done = 0; done < block.Length;)
            {
                nint got = Libc.read(descriptor, start + done, (nuint)(block.Length - done));
                if (got > 0) done += (int)got;
                else if (got == 0 || Errno.Last != Errno.Interrupted) return false;
            }
        }
        return true;
    }

    /// <summary>Puts a file or directory on stable storage; 0 or an error number.</summary>
    internal static int Sync(int descriptor)
    {
        while (Libc.fsync(descriptor) != 0)
            if (Errno.Last != Errno.Interrupted) return Errno.Last;
        return 0;
    }
}
