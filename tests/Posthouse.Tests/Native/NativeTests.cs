using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Tests.Native;

public class NativeTests
{
    [Fact]
    public void Accounts_are_found_by_name_and_number()
    {
        UserAccount root = SystemAccounts.Find("root", out int error)!;
        Assert.Equal((0, 0u, "/root"), (error, root.Uid, root.Home));
        Assert.Equal("root", SystemAccounts.Find(0u, out _)!.Name);
        Assert.Contains(root.Gid, SystemAccounts.Groups(root));
    }

    [Theory]
    [InlineData("no-such-user")]
    [InlineData("")]
    [InlineData("root\0x")]
    [InlineData("root:x")]
    public void What_is_no_user_is_not_found(string name)
    {
        Assert.Null(SystemAccounts.Find(name, out int error));
        Assert.Equal(0, error);
    }

    [Theory]
    [InlineData("secret", "$6$saltsalt$")]
    [InlineData("secret", "$5$saltsalt$")]
    public void Hashes_verify(string password, string setting)
    {
        string hash = CryptPassword.Compute(password, setting)!;
        Assert.StartsWith(setting, hash, StringComparison.Ordinal);
        Assert.True(CryptPassword.Verify(password, hash));
        Assert.False(CryptPassword.Verify(password + "x", hash));
    }

    // Computed by OpenSSL.
    [Fact]
    public void A_known_hash_verifies() =>
        Assert.True(CryptPassword.Verify("Hello world!", "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"));

    [Theory]
    [InlineData("")]
    [InlineData("*")]
    [InlineData("!")]
    [InlineData("!$6$saltsalt$")]
    [InlineData("x")]
    public void A_locked_account_has_no_password(string hash)
    {
        Assert.False(CryptPassword.Verify("", hash));
        Assert.False(CryptPassword.Verify(hash, hash));
    }

    [Fact]
    public void A_path_with_nul_is_refused() => Assert.Throws<ArgumentException>(() => FileDescriptor.Status("/etc/passwd\0x", out _));
}
