using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Server.Tables;
using Posthouse.Wire;

namespace Posthouse.Server.Configuration;

/// <summary>The machine that we run on. What it finds out about names and interfaces it keeps, so make a new one for each reading.</summary>
public sealed class SystemConfigurationEnvironment : IConfigurationEnvironment
{
    private static readonly TimeSpan s_resolveTimeout = TimeSpan.FromSeconds(5);
    private static readonly string[] s_mailNameFiles = ["/etc/mailname", "/etc/mail/mailname"];

    private readonly Dictionary<string, IReadOnlyList<IPAddress>> _hosts = new(StringComparer.OrdinalIgnoreCase);
    private string? _serverName;
    private NetworkInterface[]? _interfaces;

    /// <inheritdoc/>
    public string ServerName => _serverName ??= FindServerName();

    /// <inheritdoc/>
    public FileText ReadFile(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var content = new MemoryStream();
            byte[] block = new byte[64 << 10];
            for (int count; (count = file.Read(block)) > 0;)
            {
                content.Write(block, 0, count);
                if (content.Length > ConfigurationParser.MaxSize)
                    return FileText.Failed($"it is larger than {ConfigurationParser.MaxSize >> 20} MiB");
            }
            return FileText.Of(Encoding.UTF8.GetString(content.GetBuffer(), 0, (int)content.Length));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            return FileText.Failed(error.Message);
        }
    }

    /// <inheritdoc/>
    public TableFile ReadTable(string path) => TableFile.Read(path);

    /// <inheritdoc/>
    public bool FileExists(string path) => File.Exists(path);

    /// <inheritdoc/>
    public IReadOnlyList<IPAddress> InterfaceAddresses(string name)
    {
        if (name == "all")
            return Socket.OSSupportsIPv6 ? [IPAddress.Any, IPAddress.IPv6Any] : [IPAddress.Any];
        NetworkInterface[] interfaces = Interfaces();
        IEnumerable<NetworkInterface> chosen = interfaces.Where(each => each.Name == name);
        if (!chosen.Any())
            chosen = interfaces.Where(each => IsInGroup(each, name));
        return [.. chosen.SelectMany(each => each.GetIPProperties().UnicastAddresses).Select(each => each.Address)];
    }

    /// <inheritdoc/>
    public IReadOnlyList<IPAddress> HostAddresses(string name)
    {
        if (_hosts.TryGetValue(name, out IReadOnlyList<IPAddress>? known))
            return known;
        return _hosts[name] = Resolve(name)?.AddressList ?? [];
    }

    /// <inheritdoc/>
    public int? ServicePort(string name)
    {
        switch (name)
        {
            case "smtp": return 25;
            case "smtps" or "submissions": return 465;
            case "submission": return 587;
        }
        foreach (string line in (ReadFile("/etc/services").Text ?? "").Split('\n'))
        {
            string[] words = line.Split('#')[0].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (words.Length >= 2 && words[1].EndsWith("/tcp", StringComparison.Ordinal) && (words[0] == name || words.AsSpan(2).Contains(name))
                && int.TryParse(words[1].AsSpan(0, words[1].Length - 4), out int port))
                return port;
        }
        return null;
    }

    /// <inheritdoc/>
    public string? FindProgram(string name) => name.StartsWith('/')
        ? IsProgram(name) ? name : null
        : PlugCommandLine.Directories.Select(directory => $"{directory}/{name}").FirstOrDefault(IsProgram);

    /// <inheritdoc/>
    public bool UserExists(string name) => SystemAccounts.Find(name, out int error) is not null || error != 0;

    private static bool IsProgram(string path)
    {
        const UnixFileMode Execute = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        var file = new FileInfo(path);
        return file.Exists && (file.UnixFileMode & Execute) != 0;
    }

    // Groups are OpenBSD's: the driver's name without its number, and egress for the way out. Its loopback is called lo0.
    private static bool IsInGroup(NetworkInterface each, string name) =>
        each.Name.TrimEnd([.. "0123456789"]) == name
        || (name == "lo0" && each.NetworkInterfaceType == NetworkInterfaceType.Loopback)
        || (name == "egress" && each.GetIPProperties().GatewayAddresses.Any(gateway => !gateway.Address.Equals(IPAddress.Any) && !gateway.Address.Equals(IPAddress.IPv6Any)));

    private NetworkInterface[] Interfaces()
    {
        try
        {
            return _interfaces ??= NetworkInterface.GetAllNetworkInterfaces();
        }
        catch (NetworkInformationException)
        {
            // A sandbox may hide them; then there are none to listen on by name.
            return _interfaces = [];
        }
    }

    private static bool IsHostName(string name) => HostName.IsValidDomain(Encoding.UTF8.GetBytes(name), international: false);

    private string FindServerName()
    {
        foreach (string path in s_mailNameFiles)
        {
            string name = (ReadFile(path).Text ?? "").Split('\n')[0].Trim();
            if (IsHostName(name))
                return name;
        }
        string host = Dns.GetHostName();
        if (!IsHostName(host))
            return "localhost";
        string? canonical = host.Contains('.', StringComparison.Ordinal) ? null : Resolve(host)?.HostName;
        return canonical is not null && IsHostName(canonical) ? canonical : host;
    }

    private static IPHostEntry? Resolve(string name)
    {
        using var deadline = new CancellationTokenSource(s_resolveTimeout);
        try
        {
            return Dns.GetHostEntryAsync(name, deadline.Token).WaitAsync(s_resolveTimeout).GetAwaiter().GetResult();
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException or TimeoutException or ArgumentException)
        {
            return null;
        }
    }
}
