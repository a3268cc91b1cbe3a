using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Native;

namespace Posthouse.Tests.Native;

public sealed class FileLockTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void A_lock_ends_with_its_last_copy_or_when_it_is_given_back()
    {
        using SafeFileHandle first = Open(), second = Open();
        Assert.Equal(0, FileLock.TryLock(first));
        Assert.Equal(Errno.Again, FileLock.TryLock(second));
        using SafeFileHandle copy = new(Libc.fcntl((int)first.DangerousGetHandle(), 1030, 0), ownsHandle: true);
        first.Dispose();
        Assert.Equal(Errno.Again, FileLock.TryLock(second));
        FileLock.Unlock(copy);
        Assert.Equal(0, FileLock.TryLock(second));
    }

    private SafeFileHandle Open()
    {
        Assert.Equal(0, FileDescriptor.Open(_path, OpenFlags.ReadWrite, 0, out SafeFileHandle? file));
        return file!;
    }
}
