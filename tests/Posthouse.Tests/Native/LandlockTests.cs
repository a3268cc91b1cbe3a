using System.Net;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;

namespace Posthouse.Tests.Native;

[Collection(ProcessCollection.Name)]
public class LandlockTests
{
    // The runtime loads managed code when it is first used.
    private static readonly LandlockRule[] s_managedCode = [new(AppContext.BaseDirectory, LandlockAccess.Read), new(Path.GetDirectoryName(typeof(object).Assembly.Location)!, LandlockAccess.Read)];

    [Fact]
    public void The_kernel_says_what_it_can_deny()
    {
        Assert.InRange(Landlock.Version, 0, 1000);
        Assert.Equal(Landlock.Version >= 1, Landlock.Handled.HasFlag(LandlockAccess.ReadFile));
        Assert.Equal(Landlock.Version >= 2, Landlock.Handled.HasFlag(LandlockAccess.Refer));
        Assert.Equal(Landlock.Version >= 3, Landlock.Handled.HasFlag(LandlockAccess.Truncate));
        Assert.Equal(Landlock.Version >= 5, Landlock.Handled.HasFlag(LandlockAccess.DeviceControl));
    }

    [Fact]
    public Task A_restricted_thread_reaches_only_what_the_rules_name() => OwnProcess.RunAsync(typeof(LandlockTests), nameof(Restricts));

    [Fact]
    public Task The_engine_reaches_its_spool_and_the_system_and_nothing_else() => OwnProcess.RunAsync(typeof(LandlockTests), nameof(Restricts_an_engine));

    [Fact]
    public Task Without_rules_nothing_can_be_opened() => OwnProcess.RunAsync(typeof(LandlockTests), nameof(Restricts_to_nothing));

    /// <summary>Not a test by itself.</summary>
    [Fact(Explicit = true)]
    public void Restricts()
    {
        string write = Make("write"), read = Make("read"), other = Make("other");
        File.WriteAllText(read + "/file", "text");
        File.WriteAllText(other + "/file", "secret");
        File.WriteAllText(other + "/one", "named");
        File.CreateSymbolicLink(write + "/link", other + "/file");
        bool restricted = Landlock.Restrict(
        [
            new(write, LandlockAccess.ReadWrite),
            new(read, LandlockAccess.Read),
            new(other + "/one", LandlockAccess.ReadWriteFile),
            new(other + "/missing/file", LandlockAccess.Read),
            .. s_managedCode,
        ], LandlockNetwork.Client, out string? why);
        if (Landlock.Version == 0)
        {
            Assert.False(restricted);
            Assert.Equal("the kernel has no Landlock", why);
            return;
        }
        Assert.True(restricted, why);

        File.WriteAllText(write + "/new", "x");
        File.Move(write + "/new", write + "/renamed");
        Directory.CreateDirectory(write + "/sub");
        if (Landlock.Version >= 2) File.Move(write + "/renamed", write + "/sub/renamed");
        Directory.Delete(write + "/sub", recursive: true);
        Assert.Equal("text", File.ReadAllText(read + "/file"));
        File.WriteAllText(other + "/one", "changed");
        Assert.Equal("changed", File.ReadAllText(other + "/one"));

        Assert.Equal(Errno.Access, Open(read + "/file", OpenFlags.WriteOnly));
        Assert.Equal(Errno.Access, Open(read + "/new", OpenFlags.WriteOnly | OpenFlags.Create));
        Assert.Equal(Errno.Access, Open(other + "/file", OpenFlags.ReadOnly));
        Assert.Equal(Errno.Access, Open(write + "/link", OpenFlags.ReadOnly));
        Assert.Equal(Errno.Access, Open(other, OpenFlags.ReadOnly | OpenFlags.Directory));
        Assert.Equal(Errno.Access, Open("/etc/passwd", OpenFlags.ReadOnly));
        Assert.Equal(Errno.Access, Open("/proc/self/mem", OpenFlags.ReadOnly));
        Assert.Throws<UnauthorizedAccessException>(() => File.Delete(read + "/file"));
        Assert.Throws<UnauthorizedAccessException>(() => File.Delete(other + "/file"));
        Assert.Equal(Errno.Access, Execute("/bin/true"));
        if (Landlock.Version < 4) return;
        using Socket any = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        any.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        using Socket fixedPort = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        Assert.Equal(SocketError.AccessDenied, Assert.Throws<SocketException>(() => fixedPort.Bind(new IPEndPoint(IPAddress.Loopback, 22225))).SocketErrorCode);
    }

    /// <summary>Not a test by itself.</summary>
    [Fact(Explicit = true)]
    public void Restricts_an_engine()
    {
        StateDirectory state = new(Make("state"));
        string home = Make("home"), more = Make("more");
        Directory.CreateDirectory(state.Spool);
        File.WriteAllText(state.ControlSocket, "");
        File.WriteAllText(home + "/key.pem", "secret");
        File.WriteAllText(more + "/table", "text");
        OwnExecutable executable = new([Environment.ProcessPath!]);
        bool restricted = Landlock.Restrict([.. EngineSandbox.Rules(state, executable, [more + "/table"]), .. s_managedCode], LandlockNetwork.Client, out string? why);
        Assert.True(restricted || Landlock.Version == 0, why);
        if (!restricted) return;

        File.WriteAllText(state.Spool + "/segment", "x");
        Assert.Equal("text", File.ReadAllText(more + "/table"));
        foreach (string path in (string[])["/etc/hosts", "/etc/resolv.conf", "/proc/self/status", "/proc/meminfo", "/dev/urandom", "/usr/bin/env"])
            Assert.Equal(File.Exists(path) ? 0 : Errno.NoEntry, Open(path, OpenFlags.ReadOnly));
        foreach (string path in (string[])[home + "/key.pem", more, state.Path, state.ControlSocket, "/", "/root", "/home", "/var", "/tmp", "/dev"])
            Assert.Equal(Path.Exists(path) ? Errno.Access : Errno.NoEntry, Open(path, OpenFlags.ReadOnly));
        Assert.Equal(Errno.Access, Open("/etc/hosts.new", OpenFlags.WriteOnly | OpenFlags.Create));
        Assert.Equal(Errno.Access, Execute("/bin/true"));
    }

    /// <summary>Not a test by itself.</summary>
    [Fact(Explicit = true)]
    public void Restricts_to_nothing()
    {
        string[] paths = ["/", "/etc/passwd", "/proc/self/status", "/dev/null", "/usr"];
        int[] answers = [.. paths.Select(static path => Open(path, OpenFlags.ReadOnly))];
        SocketError connected = Connect();
        Assert.All(answers, static answer => Assert.Equal(0, answer));
        bool restricted = false;
        string? why = null;
        // Only this thread loses its files: the test's own goes on to say what was found.
        Thread thread = new(() =>
        {
            restricted = Landlock.Restrict([], LandlockNetwork.None, out why);
            for (int i = 0; i < paths.Length; i++) answers[i] = Open(paths[i], OpenFlags.ReadOnly);
            connected = Connect();
        });
        thread.Start();
        thread.Join();
        Assert.True(restricted || Landlock.Version == 0, why);
        if (!restricted) return;
        Assert.All(answers, static answer => Assert.Equal(Errno.Access, answer));
        Assert.Equal(Landlock.Version >= 4 ? SocketError.AccessDenied : SocketError.ConnectionRefused, connected);
    }

    private static SocketError Connect()
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Connect(IPAddress.Loopback, 1);
            return SocketError.Success;
        }
        catch (SocketException error)
        {
            return error.SocketErrorCode;
        }
    }

    private static int Open(string path, int flags)
    {
        int error = FileDescriptor.Open(path, flags, 0x180, out SafeFileHandle? file);
        file?.Dispose();
        return error;
    }

    private static string Make(string name) => Directory.CreateDirectory(Path.Combine(OwnProcess.Folder, name)).FullName;

    private static unsafe int Execute(string path)
    {
        byte** none = stackalloc byte*[1];
        none[0] = null;
        fixed (byte* name = PathBytes.Of(path)) Libc.execve(name, none, none);
        return Errno.Last;
    }
}
