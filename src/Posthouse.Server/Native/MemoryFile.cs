using Microsoft.Win32.SafeHandles;

namespace Posthouse.Server.Native;

/// <summary>A file without a name that lives in memory, for handing a block of any size to another process by its descriptor (memfd_create(2)).</summary>
internal static class MemoryFile
{
    private const uint CloseOnExec = 1;

    /// <summary>Makes one that holds <paramref name="content"/>.</summary>
    /// <exception cref="IOException">There is no memory or descriptor for it.</exception>
    internal static SafeFileHandle Create(string name, ReadOnlySpan<byte> content)
    {
        int descriptor = Libc.memfd_create(name, CloseOnExec);
        if (descriptor < 0) throw new IOException($"memfd_create: {Errno.Text(Errno.Last)}");
        SafeFileHandle file = new(descriptor, ownsHandle: true);
        RandomAccess.Write(file, content, 0);
        return file;
    }

    /// <summary>Reads all of it, if it has at most <paramref name="max"/> bytes; else null.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    internal static byte[]? Read(SafeFileHandle file, int max)
    {
        long length = RandomAccess.GetLength(file);
        if (length > max) return null;
        byte[] content = new byte[length];
        for (int done = 0; done < content.Length;)
        {
            int got = RandomAccess.Read(file, content.AsSpan(done), done);
            if (got == 0) return null;
            done += got;
        }
        return content;
    }
}
