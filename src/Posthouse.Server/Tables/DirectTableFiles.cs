using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Native;

namespace Posthouse.Server.Tables;

/// <summary>Opens the files of tables by their paths, as this process may. What is no regular file is refused: opening it could wait for ever.</summary>
public sealed class DirectTableFiles : ITableFiles
{
    private DirectTableFiles()
    {
    }

    /// <summary>The only one.</summary>
    public static DirectTableFiles Instance { get; } = new();

    /// <inheritdoc/>
    public ValueTask<TableSourceFile?> OpenAsync(string table, string path, FileVersion? unlessStill, CancellationToken cancellation)
    {
        SafeFileHandle? file = Open(path, unlessStill, out FileVersion version);
        return new(file is null ? null : new TableSourceFile(new FileStream(file, FileAccess.Read, bufferSize: 1), version));
    }

    /// <summary>Opens a regular file for reading; null when it is still that version.</summary>
    /// <exception cref="IOException">It cannot be opened, or is something else.</exception>
    /// <exception cref="UnauthorizedAccessException">It cannot be looked at.</exception>
    internal static SafeFileHandle? Open(string path, FileVersion? unlessStill, out FileVersion version)
    {
        // It is opened before it is compared: a path may lead elsewhere by now.
        int error = FileDescriptor.Open(path, OpenFlags.ReadOnly | OpenFlags.NonBlocking, 0, out SafeFileHandle? file);
        if (error != 0)
            throw new IOException($"{path}: {Errno.Text(error)}");
        bool isWanted = false;
        try
        {
            if (FileDescriptor.Status(file!, out FileStatus status) != 0 || !status.IsRegular)
                throw new IOException($"{path}: not a regular file");
            // Taken before it is read: what is written meanwhile is seen the next time.
            version = FileVersion.Of(file!);
            isWanted = version != unlessStill;
            return isWanted ? file : null;
        }
        finally
        {
            if (!isWanted)
                file!.Dispose();
        }
    }
}
