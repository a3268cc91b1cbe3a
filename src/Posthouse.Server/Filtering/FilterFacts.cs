using System.Net;
using System.Net.Sockets;

namespace Posthouse.Server.Filtering;

/// <summary>What is known of a session, for the conditions of builtin filters.</summary>
internal sealed class FilterFacts
{
    internal const string Unknown = "<unknown>";

    /// <summary>The client; null for a program of this machine.</summary>
    internal IPAddress? Client { get; set; }

    internal string ReverseName { get; set; } = Unknown;

    internal bool IsConfirmed { get; set; }

    internal string? Helo { get; set; }

    internal string? User { get; set; }

    internal string Sender { get; set; } = "";

    internal string Recipient { get; set; } = "";

    /// <summary>The client as filters have it: <c>192.0.2.1</c>, <c>[2001:db8::1]</c> or <c>local</c>.</summary>
    internal string AddressText => Client switch
    {
        null => "local",
        { AddressFamily: AddressFamily.InterNetworkV6 } address => $"[{Plain(address)}]",
        { } address => address.ToString(),
    };

    /// <summary>The client as tables have it.</summary>
    internal string Key => Client is null ? "local" : Plain(Client);

    private static string Plain(IPAddress address) =>
        address is { AddressFamily: AddressFamily.InterNetworkV6, ScopeId: not 0 } ? new IPAddress(address.GetAddressBytes()).ToString() : address.ToString();
}
