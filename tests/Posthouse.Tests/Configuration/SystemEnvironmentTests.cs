using System.Net;
using Posthouse.Server.Configuration;

namespace Posthouse.Tests.Configuration;

/// <summary>The machine that the tests run on, as far as every machine is alike.</summary>
public class SystemEnvironmentTests
{
    private readonly SystemConfigurationEnvironment _machine = new();

    [Fact]
    public void It_has_a_loopback_under_every_name()
    {
        Assert.Contains(IPAddress.Loopback, _machine.InterfaceAddresses("lo"));
        Assert.Contains(IPAddress.Loopback, _machine.InterfaceAddresses("lo0"));
        Assert.Contains(IPAddress.Loopback, _machine.HostAddresses("localhost"));
        Assert.Contains(IPAddress.Any, _machine.InterfaceAddresses("all"));
        Assert.Empty(_machine.InterfaceAddresses("no-such-interface"));
    }

    [Fact]
    public void It_knows_services_users_programs_and_its_name()
    {
        Assert.Equal((25, 465, 587, 465), (_machine.ServicePort("smtp"), _machine.ServicePort("smtps"), _machine.ServicePort("submission"), _machine.ServicePort("submissions")));
        Assert.Null(_machine.ServicePort("no-such-service"));
        Assert.True(_machine.UserExists("root"));
        Assert.False(_machine.UserExists("no-such-user"));
        Assert.Equal("/bin/sh", _machine.FindProgram("/bin/sh"));
        Assert.EndsWith("/bin/sh", _machine.FindProgram("sh"), StringComparison.Ordinal);
        Assert.Null(_machine.FindProgram("/etc/passwd"));
        Assert.Null(_machine.FindProgram("no-such-filter"));
        Assert.NotEmpty(_machine.ServerName);
    }

    [Fact]
    public void A_file_of_the_disk_is_read_and_includes_are_found_beside_it()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("configuration");
        try
        {
            string path = Path.Combine(folder.FullName, "smtpd.conf");
            File.WriteAllText(path, "include \"more.conf\"\nmatch from any for domain <d> action a\n");
            File.WriteAllText(Path.Combine(folder.FullName, "more.conf"), $"table d file:{folder.FullName}/domains\naction a maildir");
            File.WriteAllText(Path.Combine(folder.FullName, "domains"), "example.org\n");
            ConfigurationResult result = ConfigurationParser.Parse(path, null, _machine);
            Assert.Empty(result.Diagnostics);
            Assert.Equal("d", result.Configuration?.Rules[0].Criteria.Single().Table?.Name);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/no/such/file")]
    [InlineData("/dev/zero")]
    [InlineData("")]
    [InlineData("a\0b")]
    public void What_cannot_be_read_is_an_error(string path)
    {
        ConfigurationResult result = ConfigurationParser.Parse(path, null, _machine);
        Assert.Null(result.Configuration);
        Assert.StartsWith("cannot read the configuration: ", Assert.Single(result.Diagnostics).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_table_of_an_impossible_path_is_an_error()
    {
        ConfigurationResult result = ConfigurationParser.ParseText("table t file:/\ntable u passwd:/none\nmatch reject", "f", null, _machine);
        Assert.Equal([1, 2], result.Diagnostics.Select(each => each.Position.Line));
    }
}
