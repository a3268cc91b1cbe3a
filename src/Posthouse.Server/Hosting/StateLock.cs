using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Hosting;

/// <summary>Keeps a second server, and tools for stopped ones, away from a state directory. Ends with the process at the latest.</summary>
public sealed class StateLock : IDisposable
{
    private readonly SafeFileHandle _file;

    private StateLock(SafeFileHandle file) => _file = file;

    /// <summary>Makes the directory if need be and takes its lock; null with the reason when somebody else has it.</summary>
    public static StateLock? TryTake(StateDirectory state, out Fault? fault)
    {
        fault = null;
        try
        {
            Directory.CreateDirectory(state.Path);
            SafeFileHandle file = File.OpenHandle(state.Lock, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite);
            int error = FileLock.TryLock(file);
            if (error == 0) return new(file);
            file.Dispose();
            fault = error == Errno.Again
                ? Fault.Temporary("not now", $"another server uses {state.Path}: stop it, or give this one another --state directory")
                : Fault.Temporary("not now", $"cannot lock {state.Lock}: error {error}");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            fault = Fault.Permanent("not now", $"cannot use the state directory {state.Path}: {error.Message}");
        }

        return null;
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
