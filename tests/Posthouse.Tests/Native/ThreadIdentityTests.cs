using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Native;

namespace Posthouse.Tests.Native;

public sealed class ThreadIdentityTests : IDisposable
{
    private const uint Somebody = 61234;

    private readonly string _folder = Directory.CreateTempSubdirectory("posthouse-identity-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Private(string name, uint owner)
    {
        string path = Path.Combine(_folder, name);
        Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        File.WriteAllText(path + "/file", name);
        Assert.Equal(0, FileDescriptor.ChangeMode(path + "/file", 0x180));
        Assert.Equal(0, FileDescriptor.ChangeOwner(path + "/file", owner, owner));
        Assert.Equal(0, FileDescriptor.ChangeOwner(path, owner, owner));
        return path + "/file";
    }

    private static int Open(string path)
    {
        int error = FileDescriptor.Open(path, OpenFlags.ReadOnly, 0, out SafeFileHandle? file);
        file?.Dispose();
        return error;
    }

    // Only root can be somebody else; the other test is for everybody.
    [Fact]
    public void A_thread_opens_what_its_user_may_and_only_that_and_is_itself_again()
    {
        if (!SystemAccounts.IsRoot) return;
        Assert.Equal(0, FileDescriptor.ChangeMode(_folder, 0x1ED /* 0755 */));
        string theirs = Private("theirs", Somebody), another = Private("another", Somebody + 1), roots = Private("roots", 0);
        uint[] groups = ThreadIdentity.Groups();
        int[] opened = [];
        (uint, uint, uint[]) inside = (0, 0, []);
        Assert.True(ThreadIdentity.TryRun(Somebody, Somebody, [Somebody, 4711], () =>
        {
            opened = [Open(theirs), Open(another), Open(roots)];
            inside = (ThreadIdentity.User, ThreadIdentity.Group, ThreadIdentity.Groups());
        }));
        Assert.Equal([0, Errno.Access, Errno.Access], opened);
        Assert.Equal((Somebody, Somebody), (inside.Item1, inside.Item2));
        Assert.Equal([4711u, Somebody], inside.Item3.Order().ToArray());
        Assert.Equal((0u, 0u), (ThreadIdentity.User, ThreadIdentity.Group));
        Assert.Equal(groups, ThreadIdentity.Groups());
        Assert.Equal([0, 0, 0], [Open(theirs), Open(another), Open(roots)]);
    }

    [Fact]
    public async Task Other_threads_stay_who_they_are()
    {
        if (!SystemAccounts.IsRoot) return;
        string roots = Private("roots", 0);
        using Barrier barrier = new(2);
        Task<bool> other = Task.Factory.StartNew(() => ThreadIdentity.TryRun(Somebody, Somebody, [], () =>
        {
            barrier.SignalAndWait(TimeSpan.FromSeconds(60));
            barrier.SignalAndWait(TimeSpan.FromSeconds(60));
        }), TaskCreationOptions.LongRunning);
        barrier.SignalAndWait(TimeSpan.FromSeconds(60));
        (uint user, int error) = (ThreadIdentity.User, Open(roots));
        barrier.SignalAndWait(TimeSpan.FromSeconds(60));
        Assert.Equal((0u, 0), (user, error));
        Assert.True(await other);
    }

    [Fact]
    public void What_fails_inside_does_not_keep_the_identity()
    {
        if (!SystemAccounts.IsRoot) return;
        Assert.Throws<InvalidOperationException>(() => ThreadIdentity.TryRun(Somebody, Somebody, [], static () => throw new InvalidOperationException()));
        Assert.Equal((0u, 0u), (ThreadIdentity.User, ThreadIdentity.Group));
    }

    [Fact]
    public void An_ordinary_user_is_nobody_else()
    {
        if (SystemAccounts.IsRoot) return;
        Assert.False(ThreadIdentity.CanChange);
        bool ran = false;
        Assert.False(ThreadIdentity.TryRun(SystemAccounts.EffectiveUser + 1, 1, [], () => ran = true));
        Assert.False(ran);
        Assert.Equal(SystemAccounts.EffectiveUser, ThreadIdentity.User);
    }
}
