using System.Net;

namespace Posthouse.Server.Naming;

/// <summary>The servers named by resolv.conf(5).</summary>
public static class ResolverFile
{
    private const int DnsPort = 53;

    /// <summary>Its name servers, in order; the one on this machine when it names none (resolv.conf(5), nameserver).</summary>
    public static IReadOnlyList<IPEndPoint> Parse(string text)
    {
        List<IPEndPoint> servers = [];
        foreach (string line in text.Split('\n'))
        {
            string[] words = line.Split([' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length >= 2 && words[0] == "nameserver" && IPAddress.TryParse(words[1], out IPAddress? address))
                servers.Add(new IPEndPoint(address, DnsPort));
        }
        return servers.Count > 0 ? servers : [new IPEndPoint(IPAddress.Loopback, DnsPort)];
    }

    /// <summary>Reads a file; one that cannot be read is like an empty one.</summary>
    public static IReadOnlyList<IPEndPoint> Read(string path = "/etc/resolv.conf")
    {
        try
        {
            return Parse(File.ReadAllText(path));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return Parse("");
        }
    }
}
