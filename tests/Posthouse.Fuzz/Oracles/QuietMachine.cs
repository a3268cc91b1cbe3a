using System.Net;
using System.Text;
using Posthouse.Server.Configuration;
using Posthouse.Server.Tables;

namespace Posthouse.Fuzz.Oracles;

/// <summary>A machine that asks nobody: one file (<c>/self</c>, the input), one table (<c>/t</c>), and every program, user and host there could be.</summary>
internal sealed class QuietMachine(string text) : IConfigurationEnvironment
{
    private static readonly byte[] s_table = "root: postmaster\njoe: joe@example.org\n"u8.ToArray();

    public string ServerName => "mail.example.org";

    public FileText ReadFile(string path) => path.EndsWith("/self", StringComparison.Ordinal) ? FileText.Of(text) : FileText.Failed("no such file");

    public TableFile ReadTable(string path) => TableFile.Parse(path == "/self" ? Encoding.UTF8.GetBytes(text) : s_table, path);

    public bool FileExists(string path) => path.StartsWith('/');

    public IReadOnlyList<IPAddress> InterfaceAddresses(string name) => name is "lo" or "all" ? [IPAddress.Loopback, IPAddress.IPv6Loopback] : [];

    public IReadOnlyList<IPAddress> HostAddresses(string name) => name.EndsWith(".org", StringComparison.Ordinal) ? [IPAddress.Parse("192.0.2.1")] : [];

    public int? ServicePort(string name) => name switch { "smtp" => 25, "smtps" => 465, "submission" => 587, _ => null };

    public string? FindProgram(string name) => name.StartsWith('/') ? name : "/usr/libexec/" + name;

    public bool UserExists(string name) => name is "vmail" or "root" or "nobody";
}
