using System.Text;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Native;

namespace Posthouse.Server.Transport;

/// <summary>Opens and reads files that an operator names; what is no regular file never makes the caller wait.</summary>
internal static class SmallFile
{
    /// <summary>Opens a regular file for reading; 0 or an error number.</summary>
    internal static int Open(string path, out SafeFileHandle? file)
    {
        int error = FileDescriptor.Open(path, OpenFlags.ReadOnly | OpenFlags.NonBlocking, 0, out file);
        if (error != 0) return error;
        error = FileDescriptor.Status(file!, out FileStatus status);
        if (error == 0 && status.IsRegular) return 0;
        file!.Dispose();
        file = null;
        return error != 0 ? error : status.IsDirectory ? Errno.IsDirectory : Errno.Invalid;
    }

    /// <summary>The text of a file of at most <paramref name="limit"/> bytes; null with the reason when it cannot be read.</summary>
    internal static (string? Text, string? Problem) ReadText(string path, int limit)
    {
        int error = Open(path, out SafeFileHandle? file);
        if (error != 0) return (null, Errno.Text(error));
        using (file)
        {
            try
            {
                long length = RandomAccess.GetLength(file!);
                if (length > limit) return (null, $"it is longer than {limit} bytes");
                byte[] bytes = new byte[length];
                int done = 0;
                while (done < bytes.Length && RandomAccess.Read(file!, bytes.AsSpan(done), done) is > 0 and var got) done += got;
                return (Encoding.UTF8.GetString(bytes, 0, done), null);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                return (null, exception.Message);
            }
        }
    }
}
