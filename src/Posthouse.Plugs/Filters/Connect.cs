using System.Net;

namespace Posthouse.Plugs.Filters;

/// <summary>A client that has connected and waits for the greeting.</summary>
/// <param name="ReverseName">Its name by reverse DNS; null when it has none.</param>
/// <param name="Address">Its address; null when it came over a local socket.</param>
public readonly record struct Connect(string? ReverseName, IPAddress? Address)
{
    internal static Connect Parse(string parameters)
    {
        int bar = parameters.IndexOf('|');
        string name = bar < 0 ? parameters : parameters[..bar], rest = bar < 0 ? "" : parameters[(bar + 1)..];
        int end = rest.IndexOf('|'); // old servers had more fields
        string address = (end < 0 ? rest : rest[..end]).Trim('[', ']');
        if (address.StartsWith("IPv6:", StringComparison.OrdinalIgnoreCase)) address = address[5..];
        return new(NameOrNull(name), IPAddress.TryParse(address, out IPAddress? parsed) ? parsed : null);
    }

    internal static string? NameOrNull(string name) => name is "" or "<unknown>" ? null : name;
}
