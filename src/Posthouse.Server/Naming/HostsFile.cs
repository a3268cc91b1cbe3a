using System.Net;
using System.Text;
using Posthouse.Wire;

namespace Posthouse.Server.Naming;

/// <summary>The names that need no DNS: those of hosts(5), and localhost even where that file does not say so.</summary>
public sealed class HostsFile
{
    private readonly Dictionary<IPAddress, List<string>> _names = [];
    private readonly Dictionary<string, List<IPAddress>> _addresses = new(StringComparer.OrdinalIgnoreCase);

    private HostsFile(IEnumerable<string> lines)
    {
        foreach (string line in lines)
        {
            string[] words = line.Split('#')[0].Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length < 2 || !IPAddress.TryParse(words[0], out IPAddress? address))
                continue;
            foreach (string name in words.Skip(1).Where(IsHostName))
                Add(address, name);
        }
        foreach (IPAddress loopback in (IPAddress[])[IPAddress.Loopback, IPAddress.IPv6Loopback])
        {
            if (!_names.ContainsKey(loopback))
                Add(loopback, "localhost");
        }
    }

    /// <summary>Reads the text of such a file; lines that make no sense are skipped, as the C library does.</summary>
    public static HostsFile Parse(string text) => new(text.Split('\n'));

    /// <summary>Reads a file; one that cannot be read is like an empty one.</summary>
    public static HostsFile Read(string path = "/etc/hosts")
    {
        try
        {
            return Parse(File.ReadAllText(path));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Without the file there is still the DNS.
            return Parse("");
        }
    }

    /// <summary>The names of an address, the canonical one first; empty if it has none here.</summary>
    public IReadOnlyList<string> NamesOf(IPAddress address) => _names.GetValueOrDefault(address) ?? [];

    /// <summary>The addresses of a name; empty if it has none here.</summary>
    public IReadOnlyList<IPAddress> AddressesOf(string name) => _addresses.GetValueOrDefault(name) ?? [];

    /// <summary>Whether a name, without a final dot, can be a host's.</summary>
    internal static bool IsHostName(string name) => HostName.IsValidDomain(Encoding.UTF8.GetBytes(name), international: false);

    private void Add(IPAddress address, string name)
    {
        if (!_names.TryGetValue(address, out List<string>? names))
            _names[address] = names = [];
        names.Add(name);
        if (!_addresses.TryGetValue(name, out List<IPAddress>? addresses))
            _addresses[name] = addresses = [];
        addresses.Add(address);
    }
}
