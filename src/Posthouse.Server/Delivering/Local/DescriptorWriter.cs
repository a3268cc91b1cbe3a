using Posthouse.Server.Native;

namespace Posthouse.Server.Delivering.Local;

/// <summary>write(2) and fsync(2) until they are done; 0 or an error number.</summary>
internal static unsafe class DescriptorWriter
{
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

    internal static int Sync(int descriptor)
    {
        while (Libc.fsync(descriptor) != 0)
            if (Errno.Last != Errno.Interrupted) return Errno.Last;
        return 0;
    }
}
