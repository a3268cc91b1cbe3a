using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Posthouse.Server.Delivering.Local;

/// <summary>Reads the destination of an lmtp action: <c>host:port</c>, <c>[v6]:port</c> or the absolute path of a socket.</summary>
internal static class LmtpTarget
{
    /// <summary>Where to connect; null if the text is none of these.</summary>
    internal static EndPoint? Parse(string text)
    {
        if (text.StartsWith('/')) return text.Length <= 107 ? new UnixDomainSocketEndPoint(text) : null;
        int colon = text.LastIndexOf(':');
        if (colon <= 0 || !ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port) || port == 0) return null;
        string host = text[..colon];
        if (host is ['[', .., ']']) return IPAddress.TryParse(host.AsSpan(1, host.Length - 2), out IPAddress? bracketed) ? new IPEndPoint(bracketed, port) : null;
        if (IPAddress.TryParse(host, out IPAddress? address)) return address.AddressFamily == AddressFamily.InterNetwork ? new IPEndPoint(address, port) : null;
        return host.Contains(':') ? null : new DnsEndPoint(host, port);
    }
}
