using System.Net;
using Posthouse.Server.Tables;
using Posthouse.Wire;

namespace Posthouse.Server.Rules;

/// <summary>What rules may look at besides the recipient: the client and the sender. One per transaction; make the next by <c>with</c>.</summary>
public sealed record SessionContext
{
    private string? _sourceText;
    private string? _senderKey;
    private NetAddress? _source;
    private readonly IPAddress? _client;
    private readonly Mailbox? _sender;

    /// <summary>The client's address; null for the local socket.</summary>
    public required IPAddress? Client
    {
        get => _client;
        init
        {
            _client = value;
            _source = value is null ? null : NetAddress.Of(value);
            _sourceText = null;
        }
    }

    /// <summary>The name of this server in the session; unqualified recipients are completed with it.</summary>
    public required string ServerName { get; init; }

    /// <summary>The client's reverse name; null when it has none.</summary>
    public string? ReverseName { get; init; }

    /// <summary>Whether the reverse name leads back to the address.</summary>
    public bool IsForwardConfirmed { get; init; }

    /// <summary>The name given by HELO, EHLO or LHLO; null before.</summary>
    public string? Helo { get; init; }

    /// <summary>Whether the connection is encrypted.</summary>
    public bool IsTls { get; init; }

    /// <summary>The authenticated user; null when there is none.</summary>
    public string? AuthUser { get; init; }

    /// <summary>The listener's tag; null when it has none.</summary>
    public string? Tag { get; init; }

    /// <summary>The envelope sender; null is the null sender.</summary>
    public Mailbox? Sender
    {
        get => _sender;
        init
        {
            _sender = value;
            _senderKey = null;
        }
    }

    /// <summary>Whether the mail came by the local socket.</summary>
    public bool IsLocalSocket => _client is null;

    /// <summary>Authenticated, or by the local socket, which counts as that.</summary>
    public bool IsAuthenticated => AuthUser is not null || IsLocalSocket;

    /// <summary>The client's address as a number; null for the local socket.</summary>
    internal NetAddress? Source => _source;

    /// <summary>The client's address as tables know it: <c>local</c>, or the address without brackets.</summary>
    internal string SourceText => _sourceText ??= _client is null ? "local" : _client.IsIPv4MappedToIPv6 ? _client.MapToIPv4().ToString() : _client.ToString();

    /// <summary>The sender as tables know it; <c>@</c> is the null sender.</summary>
    internal string SenderKey => _senderKey ??= _sender is null ? "@" : $"{_sender.LocalPart}@{_sender.Domain}";
}
