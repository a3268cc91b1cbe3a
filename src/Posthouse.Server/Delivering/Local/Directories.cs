using Posthouse.Server.Native;

namespace Posthouse.Server.Delivering.Local;

/// <summary>Makes directories, mode 0700, that outlive a power cut.</summary>
internal static unsafe class Directories
{
    private const uint Private = 0x1C0; // 0700

    /// <summary>Makes <paramref name="path"/> with its missing parents, and <paramref name="children"/> in it; 0 or the error and its <paramref name="place"/>.</summary>
    internal static int Make(string path, ReadOnlySpan<string> children, out string place)
    {
        int error = MakeOne(path, out place);
        if (error != 0) return error;
        foreach (string child in children)
        {
            place = $"{path}/{child}";
            error = Create(place);
            if (error is not (0 or Errno.Exists)) return error;
        }
        place = path;
        return FileDescriptor.SyncDirectory(path);
    }

    private static int MakeOne(string path, out string place)
    {
        place = path;
        int error = Create(path);
        if (error == Errno.NoEntry && path.LastIndexOf('/') is > 0 and int slash)
        {
            error = MakeOne(path[..slash], out place);
            if (error != 0) return error;
            place = path;
            error = Create(path);
        }
        // The entry must outlive a power cut together with what will be stored below it.
        if (error == 0 && path.LastIndexOf('/') is >= 0 and int parent) FileDescriptor.SyncDirectory(parent == 0 ? "/" : path[..parent]);
        return error == Errno.Exists ? 0 : error;
    }

    private static int Create(string path)
    {
        fixed (byte* name = PathBytes.Of(path)) return Libc.mkdir(name, Private) == 0 ? 0 : Errno.Last;
    }
}
