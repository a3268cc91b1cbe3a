using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Tests.Delivering.Local;

namespace Posthouse.Tests.Processes;

public sealed class ForwardReaderTests : IDisposable
{
    private readonly string _home = Directory.CreateTempSubdirectory("posthouse-forward-").FullName;

    private string Forward => _home + "/.forward";

    private UserAccount Account => new("user", SystemAccounts.EffectiveUser, SystemAccounts.EffectiveUser, _home);

    public void Dispose() => Directory.Delete(_home, recursive: true);

    private ForwardFile Read(UserAccount? account = null) => ForwardReader.Read(account ?? Account, NullLogger.Instance);

    private void Write(string content)
    {
        File.WriteAllText(Forward, content);
        Assert.Equal(0, FileDescriptor.ChangeMode(Forward, 0x1A4 /* 0644 */));
    }

    [Fact]
    public void A_file_of_the_user_s_own_is_read()
    {
        Write("a@example.org\n");
        Assert.Equal(new("a@example.org\n"), Read());
    }

    [Fact]
    public void No_file_or_an_empty_one_is_none()
    {
        Assert.Same(ForwardFile.Absent, Read());
        Write("");
        Assert.Same(ForwardFile.Absent, Read());
        Assert.Same(ForwardFile.Absent, Read(Account with { Home = "/no/such/home" }));
        Assert.Same(ForwardFile.Absent, Read(Account with { Home = "relative" }));
    }

    [Fact]
    public void A_large_file_or_a_sticky_home_fails_for_now()
    {
        Write(new string('a', ForwardReader.SizeBound));
        Assert.False(Read().Fault!.IsPermanent);
        Write("x");
        Assert.Equal(0, FileDescriptor.ChangeMode(_home, 0x3C0 /* 01700 */));
        Assert.False(Read().Fault!.IsPermanent);
    }

    // CVE-2015-7687: the server opened what users had linked to.
    [Fact]
    public void Links_are_passed_over()
    {
        File.WriteAllText(_home + "/secret", "secret");
        File.CreateSymbolicLink(Forward, _home + "/secret");
        Assert.Same(ForwardFile.Absent, Read());
        File.Delete(Forward);
        LocalTools.HardLink(_home + "/secret", Forward);
        Assert.Same(ForwardFile.Absent, Read());
    }

    [Fact]
    public void What_others_can_write_or_own_is_passed_over()
    {
        Write("x");
        Assert.Equal(0, FileDescriptor.ChangeMode(Forward, 0x1B4 /* 0664 */));
        Assert.Same(ForwardFile.Absent, Read());
        Assert.Equal(0, FileDescriptor.ChangeMode(Forward, 0x1A4));
        Assert.Equal("x", Read().Content);
        Assert.Equal(0, FileDescriptor.ChangeMode(_home, 0x1FF /* 0777 */));
        Assert.Same(ForwardFile.Absent, Read());
        Assert.Equal(0, FileDescriptor.ChangeMode(_home, 0x1C0));
        Assert.Same(ForwardFile.Absent, Read(Account with { Uid = Account.Uid + 1 }));
    }

    [Fact]
    public void A_directory_is_no_forward_file()
    {
        Directory.CreateDirectory(Forward);
        Assert.Same(ForwardFile.Absent, Read());
    }
}
