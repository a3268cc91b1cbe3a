using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Tests.Native;
using OpenFlags = Posthouse.Server.Native.OpenFlags;

namespace Posthouse.Tests.Processes;

[Collection(ProcessCollection.Name)]
public sealed class OfflineDirectoryTests : IDisposable
{
    private readonly StateDirectory _state = new(Directory.CreateTempSubdirectory("posthouse-offline-").FullName);

    public void Dispose() => Directory.Delete(_state.Path, recursive: true);

    [Fact]
    public void Everybody_may_put_mail_there_and_nobody_may_look_when_root_serves()
    {
        using OfflineDirectory directory = Open();
        Assert.Equal(0, FileDescriptor.Status(_state.Offline, out FileStatus status));
        Assert.Equal(SystemAccounts.IsRoot ? 0x3DBu : 0x1C0u, status.Permissions);
        // Whatever its mode was meanwhile.
        Assert.Equal(0, FileDescriptor.ChangeMode(_state.Offline, 0x1FF));
        Open().Dispose();
        Assert.Equal(0, FileDescriptor.Status(_state.Offline, out status));
        Assert.Equal(SystemAccounts.IsRoot ? 0x3DBu : 0x1C0u, status.Permissions);
    }

    [Fact]
    public void A_link_in_the_place_of_the_directory_is_refused()
    {
        string other = Directory.CreateDirectory(_state.Path + "/other").FullName;
        File.CreateSymbolicLink(_state.Offline, other);
        Assert.Null(OfflineDirectory.Open(_state, out string? why));
        Assert.Contains("offline", why, StringComparison.Ordinal);
        File.Delete(_state.Offline);
        File.WriteAllText(_state.Offline, "");
        Assert.Null(OfflineDirectory.Open(_state, out why));
        Assert.NotNull(why);
    }

    [Fact]
    public void A_directory_of_somebody_else_is_refused()
    {
        if (!SystemAccounts.IsRoot) return;
        Directory.CreateDirectory(_state.Offline);
        Assert.Equal(0, FileDescriptor.ChangeOwner(_state.Offline, 65534, 65534));
        Assert.Null(OfflineDirectory.Open(_state, out string? why));
        Assert.EndsWith("belongs to user 65534", why, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_plain_files_of_their_owner_are_opened()
    {
        using OfflineDirectory directory = Open();
        string secret = _state.Path + "/secret";
        File.WriteAllText(secret, "secret");
        string good = Put("text"), link = OfflineDirectory.DrawName(), folder = OfflineDirectory.DrawName(), pipe = OfflineDirectory.DrawName();
        File.CreateSymbolicLink(Full(link), secret);
        Directory.CreateDirectory(Full(folder));
        Assert.Equal(0, MakePipe(Full(pipe)));
        string linked = Put("text"), shared = Put("text"), huge = Put("");
        Assert.Equal(0, Link(Full(linked), Full("other-name")));
        Assert.Equal(0, FileDescriptor.ChangeMode(Full(shared), 0x1B6));
        using (FileStream file = new(Full(huge), FileMode.Open)) file.SetLength(1L << 40);

        Dictionary<string, OfflineFile> files = directory.List(1000, long.MaxValue, DateTimeOffset.UtcNow).Values.SelectMany(static owned => owned).ToDictionary(static file => file.Name);
        Assert.Equal(7, files.Count);
        using (SafeFileHandle opened = directory.OpenMail(files[good], 1 << 20, out bool isBad, out string? why)!)
        {
            Assert.False(isBad, why);
            byte[] content = new byte[4];
            Assert.Equal(4, RandomAccess.Read(opened, content, 0));
        }
        foreach ((string name, string wanted) in (ReadOnlySpan<(string, string)>)
            [(link, "it is no regular file"), (folder, "it is no regular file"), (pipe, "it is no regular file"), (linked, "it has several links"), (shared, "others may write to it"), (huge, "it is too large")])
        {
            Assert.Null(directory.OpenMail(files[name], 1 << 20, out bool isBad, out string? why));
            Assert.Equal((true, wanted), (isBad, why));
            directory.SetAside(files[name]);
            Assert.True(Path.Exists(Full(name + OfflineDirectory.BadSuffix)) || new FileInfo(Full(name + OfflineDirectory.BadSuffix)).LinkTarget is not null);
        }
        Assert.Equal([good], directory.List(1000, long.MaxValue, DateTimeOffset.UtcNow).Values.SelectMany(static owned => owned).Select(static file => file.Name));
        Assert.Equal("secret", File.ReadAllText(secret));
    }

    [Fact]
    public void What_is_exchanged_between_looking_and_opening_is_neither_read_nor_removed()
    {
        using OfflineDirectory directory = Open();
        string secret = _state.Path + "/secret", name = Put("text");
        File.WriteAllText(secret, "secret");
        OfflineFile listed = directory.List(10, long.MaxValue, DateTimeOffset.UtcNow).Values.Single().Single();

        // The old file stays, so that its number is not given to another.
        File.Move(Full(name), Full("old"));
        File.CreateSymbolicLink(Full(name), secret);
        Assert.Null(directory.OpenMail(listed, 1 << 20, out bool isBad, out string? why));
        Assert.Equal((false, Errno.Text(Errno.Loop)), (isBad, why));
        directory.Remove(listed);
        Assert.NotNull(new FileInfo(Full(name)).LinkTarget);

        File.Delete(Full(name));
        File.WriteAllText(Full(name), "other");
        Assert.Null(directory.OpenMail(listed, 1 << 20, out isBad, out why));
        Assert.Equal((false, "it was exchanged while it was looked at"), (isBad, why));
        directory.Remove(listed);
        Assert.Equal("other", File.ReadAllText(Full(name)));

        File.Delete(Full(name));
        Assert.Null(directory.OpenMail(listed, 1 << 20, out isBad, out why));
        Assert.Equal((false, Errno.Text(Errno.NoEntry)), (isBad, why));
    }

    [Fact]
    public void One_user_is_looked_at_only_so_far()
    {
        using OfflineDirectory directory = Open();
        for (int i = 0; i < 20; i++) Put(new string('x', 1000));
        Assert.Equal(5, directory.List(5, long.MaxValue, DateTimeOffset.UtcNow).Values.Single().Count);
        Assert.Equal(3, directory.List(1000, 3500, DateTimeOffset.UtcNow).Values.Single().Count);
        // Files larger than that by themselves are told, to be set aside.
        Assert.Equal(20, directory.List(1000, 10, DateTimeOffset.UtcNow).Values.Single().Count);
    }

    [Theory]
    [InlineData("name\nwith a line")]
    [InlineData("..name")]
    [InlineData("0123456789abcdef0123456789abcdef.new")]
    [InlineData("0123456789abcdef0123456789abcdef.bad")]
    [InlineData("0123456789ABCDEF0123456789ABCDEF")]
    [InlineData("0123456789abcdef0123456789abcde/")]
    public void What_is_not_named_as_mail_is_passed_over_and_removed_after_a_week(string name)
    {
        using OfflineDirectory directory = Open();
        bool isDirectory = name.EndsWith('/');
        if (isDirectory) Directory.CreateDirectory(Full(name));
        else File.WriteAllText(Full(name), "text");
        Assert.Empty(directory.List(10, long.MaxValue, DateTimeOffset.UtcNow.AddDays(6)));
        Assert.True(Path.Exists(Full(name)));
        Assert.Empty(directory.List(10, long.MaxValue, DateTimeOffset.UtcNow.AddDays(8)));
        Assert.Equal(isDirectory, Path.Exists(Full(name)));
    }

    private OfflineDirectory Open()
    {
        OfflineDirectory? directory = OfflineDirectory.Open(_state, out string? why);
        Assert.True(directory is not null, why);
        return directory;
    }

    private string Full(string name) => Path.Combine(_state.Offline, name);

    private string Put(string content)
    {
        string name = OfflineDirectory.DrawName();
        Assert.Equal(0, FileDescriptor.Open(Full(name), OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Exclusive, 0x180, out SafeFileHandle? file));
        using (file) RandomAccess.Write(file!, System.Text.Encoding.UTF8.GetBytes(content), 0);
        return name;
    }

    private static unsafe int Link(string from, string to)
    {
        fixed (byte* old = PathBytes.Of(from), made = PathBytes.Of(to)) return Libc.link(old, made);
    }

    private static int MakePipe(string path)
    {
        using System.Diagnostics.Process process = System.Diagnostics.Process.Start("mkfifo", [path]);
        process.WaitForExit();
        return process.ExitCode;
    }
}
