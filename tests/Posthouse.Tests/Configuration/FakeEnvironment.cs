using System.Net;
using System.Text;
using Posthouse.Server.Configuration;
using Posthouse.Server.Tables;

namespace Posthouse.Tests.Configuration;

/// <summary>A machine in memory: files, interfaces and names are what a test says.</summary>
internal sealed class FakeEnvironment : IConfigurationEnvironment
{
    public Dictionary<string, string> Files { get; } = [];

    public HashSet<string> Programs { get; } = ["/usr/bin/filter", "filter-rspamd", "table-ldap", "table-sqlite", "/var/empty/usr/bin/filter", "/var/empty/usr/libexec/opensmtpd/filter-rspamd"];

    public string ServerName => "mail.example.org";

    public FileText ReadFile(string path) => Files.TryGetValue(path, out string? text) ? FileText.Of(text) : FileText.Failed("no such file");

    public TableFile ReadTable(string path) => Files.TryGetValue(path, out string? text)
        ? TableFile.Parse(Encoding.UTF8.GetBytes(text), path)
        : TableFile.Read("/nonexistent" + path);

    public bool FileExists(string path) => Files.ContainsKey(path);

    public IReadOnlyList<IPAddress> InterfaceAddresses(string name) => name switch
    {
        "lo" or "lo0" => [IPAddress.Loopback, IPAddress.IPv6Loopback],
        "eth0" or "egress" => [IPAddress.Parse("192.0.2.1")],
        "all" => [IPAddress.Any, IPAddress.IPv6Any],
        _ => [],
    };

    public IReadOnlyList<IPAddress> HostAddresses(string name) => name switch
    {
        "localhost" => [IPAddress.Loopback, IPAddress.IPv6Loopback],
        "mail.example.org" => [IPAddress.Parse("192.0.2.1")],
        _ => [],
    };

    public int? ServicePort(string name) => name switch { "smtp" => 25, "smtps" => 465, "submission" => 587, _ => null };

    public string? FindProgram(string name) => Programs.Contains(name) ? name : null;

    public bool UserExists(string name) => name is "vmail" or "root" or "nobody" or "_rspamd";

    /// <summary>Reads a text as <c>smtpd.conf</c>.</summary>
    public ConfigurationResult Parse(string text, IReadOnlyDictionary<string, string>? defines = null, bool verbose = false) =>
        ConfigurationParser.ParseText(text, "smtpd.conf", defines, this, verbose);

    /// <summary>Reads a text that must be good, and have no warning.</summary>
    public ServerConfiguration Good(string text, IReadOnlyDictionary<string, string>? defines = null)
    {
        ConfigurationResult result = Parse(text, defines);
        Assert.Empty(result.Diagnostics);
        Assert.NotNull(result.Configuration);
        return result.Configuration;
    }
}
