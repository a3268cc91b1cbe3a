using System.Text;

namespace Posthouse.Server.Native;

/// <summary>Paths as the kernel takes them: UTF-8, ended by NUL.</summary>
internal static class PathBytes
{
    /// <exception cref="ArgumentException">It holds a NUL, so the kernel would see another path.</exception>
    internal static byte[] Of(string path)
    {
        if (path.Contains('\0')) throw new ArgumentException("a path cannot hold NUL", nameof(path));
        byte[] bytes = new byte[Encoding.UTF8.GetByteCount(path) + 1];
        Encoding.UTF8.GetBytes(path, bytes);
        return bytes;
    }
}
