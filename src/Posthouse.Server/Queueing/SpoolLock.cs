using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Queueing;

/// <summary>
/// The lock on a state directory: held by a server while it runs, and by the tools that work on the spool of a stopped one. It ends with
/// its holder, however that dies; the file stays and holds the process id of the last holder.
/// </summary>
public sealed class SpoolLock : IDisposable
{
    // Nobody else may even open it: whoever can open a file can lock it.
    private const uint Mode = 0x180;

    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(20);

    private readonly SafeFileHandle _file;
    private bool _isShared;

    private SpoolLock(SafeFileHandle file) => _file = file;

    /// <summary>Takes the lock without waiting; the fault says who has it, or why the file cannot be used.</summary>
    public static SpoolLock? TryTake(StateDirectory state, out Fault? fault)
    {
        int error = FileDescriptor.Open(state.Lock, OpenFlags.ReadWrite | OpenFlags.Create | OpenFlags.NoFollow, Mode, out SafeFileHandle? file);
        if (error == 0)
            error = FileLock.TryLock(file!);
        if (error != 0)
        {
            fault = Fault.Temporary(
                error == Errno.Again ? $"{state.Path} is in use by a running server{Holder(file!)}" : $"{state.Lock}: {Errno.Text(error)}");
            file?.Dispose();
            return null;
        }

        fault = null;
        RandomAccess.SetLength(file!, 0);
        RandomAccess.Write(file!, Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}\n")), 0);
        return new SpoolLock(file!);
    }

    /// <summary>
    /// Takes the lock as <see cref="TryTake"/> does. Where its last holder is dead but somebody still has it (the engine of a
    /// server that was killed, which is ending), waits for that, at most <paramref name="patience"/>.
    /// </summary>
    public static async Task<(SpoolLock? Lock, Fault? Fault)> TakeAsync(StateDirectory state, TimeSpan patience, TimeProvider time)
    {
        long start = time.GetTimestamp();
        while (true)
        {
            SpoolLock? taken = TryTake(state, out Fault? fault);
            if (taken is not null || !IsAbandoned(state) || time.GetElapsedTime(start) > patience) return (taken, fault);
            await Task.Delay(s_poll, time);
        }
    }

    /// <summary>The descriptor, for a process that shall hold the lock as well: it ends with the last of them.</summary>
    public SafeFileHandle File
    {
        get
        {
            _isShared = true;
            return _file;
        }
    }

    /// <summary>Gives the lock back.</summary>
    public void Dispose()
    {
        if (!_isShared && !_file.IsClosed) FileLock.Unlock(_file);
        _file.Dispose();
    }

    private static bool IsAbandoned(StateDirectory state)
    {
        if (FileDescriptor.Open(state.Lock, OpenFlags.ReadOnly | OpenFlags.NoFollow, 0, out SafeFileHandle? file) != 0) return false;
        using (file) return HolderId(file!) is { } process && !Directory.Exists(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}"));
    }

    private static string Holder(SafeFileHandle file) => HolderId(file) is { } process ? string.Create(CultureInfo.InvariantCulture, $" (process {process})") : "";

    private static int? HolderId(SafeFileHandle file)
    {
        Span<byte> text = stackalloc byte[16];
        int length = RandomAccess.Read(file, text, 0);
        return int.TryParse(text[..length].TrimEnd((byte)'\n'), NumberStyles.None, CultureInfo.InvariantCulture, out int process) ? process : null;
    }
}
