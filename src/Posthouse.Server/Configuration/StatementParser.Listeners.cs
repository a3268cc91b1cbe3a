using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Posthouse.Plugs;
using Posthouse.Server.Model;

namespace Posthouse.Server.Configuration;

/// <summary>The listen statements.</summary>
internal sealed partial class StatementParser
{
    private const int MaxCertificates = 32;
    private const int MaxTagLength = 32;

    // Certificates are filled in at the end, when all pki statements of a name have been read.
    private readonly List<(ListenerConfiguration Listener, List<Token> Pki, Token? Ca)> _listeners = [];
    private SocketListenerConfiguration? _socket;

    private void ListenStatement(SourcePosition position)
    {
        Expect("on");
        if (At("socket"))
            ListenOnSocket(position);
        else
            ListenOnInterface(position);
    }

    private void ListenOnSocket(SourcePosition position)
    {
        Token token = _token;
        Advance();
        if (_socket is not null)
            Error(token.Position, $"listen on \"socket\" is declared already at {_socket.Position.FileAndLine}: expected it once");
        var socket = new SocketListenerConfiguration { Position = position };
        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (!_failed && !_token.IsEnd)
        {
            Token option = _token;
            if (Accept("filter"))
                socket = socket with { Filter = FilterArgument() };
            else if (Accept("mask-src"))
                socket = socket with { MaskSource = true };
            else if (Accept("no-dsn"))
                socket = socket with { NoDsn = true };
            else if (Accept("tag"))
                socket = socket with { Tag = TagName() };
            else
                Fail("an option of the socket (filter, mask-src, no-dsn, tag) or the end of the line");
            Once(seen, option);
        }
        if (!_failed)
            _socket = socket;
    }

    private void ListenOnInterface(SourcePosition position)
    {
        Token on = _token;
        Text("an interface, a group, an address, a host name, all or socket");
        var listener = new ListenerConfiguration { Position = position, Interface = on.Text };
        var options = new ListenerOptions();
        while (!_failed && !_token.IsEnd)
        {
            Token option = _token;
            listener = ListenerOption(listener, options, option);
            if (option.Text is not "pki")
                Once(options.Seen, option, option.Text is "inet4" or "inet6" ? "inet" : null);
        }
        if (_failed)
            return;

        bool hasTls = listener.Tls != ListenerTls.None;
        if (listener.Auth != ListenerAuth.None && !hasTls)
            Error(options.AuthPosition, "auth without TLS would show passwords to everybody: expected tls, tls-require or smtps as well");
        if (options.Pki.Count > 0 && !hasTls)
            Error(options.Pki[0].Position, $"pki {options.Pki[0].Describe()} is of no use without TLS: expected tls, tls-require or smtps as well");
        if (hasTls && options.Pki.Count == 0)
            Error(options.TlsPosition, "TLS needs a certificate: expected pki and the name of one");
        if (options.Pki.Count > MaxCertificates)
            Error(options.Pki[MaxCertificates].Position, $"too many certificates: expected at most {MaxCertificates}");
        ushort port = options.Port ?? (listener.Tls == ListenerTls.Implicit ? (ushort)465 : (ushort)25);
        listener = listener with { EndPoints = EndPoints(on, options.Family, port) };
        _listeners.Add((listener, options.Pki, options.Ca));
    }

    private ListenerConfiguration ListenerOption(ListenerConfiguration listener, ListenerOptions options, Token option)
    {
        if (Accept("inet4"))
            options.Family = AddressFamily.InterNetwork;
        else if (Accept("inet6"))
            options.Family = AddressFamily.InterNetworkV6;
        else if (Accept("port"))
            options.Port = Port();
        else if (Accept("tls"))
            return ListenerTlsOption(listener, options, option, ListenerTls.Offered);
        else if (Accept("tls-require"))
            return ListenerTlsOption(listener, options, option, ListenerTls.Required) with { VerifyClient = Accept("verify") };
        else if (Accept("smtps"))
            return ListenerTlsOption(listener, options, option, ListenerTls.Implicit) with { VerifyClient = Accept("verify") };
        else if (Accept("pki"))
            options.Pki.Add(DeclaredCertificate("pki", _pki.ContainsKey));
        else if (Accept("ca"))
            options.Ca = DeclaredCertificate("ca", _authorities.ContainsKey);
        else if (Accept("protocols"))
            return listener with { Protocols = Text("TLS protocols") };
        else if (Accept("ciphers"))
            return listener with { Ciphers = Text("TLS ciphers") };
        else if (Accept("auth"))
            return ListenerAuthOption(listener, options, option, ListenerAuth.Required);
        else if (Accept("auth-optional"))
            return ListenerAuthOption(listener, options, option, ListenerAuth.Optional);
        else if (Accept("filter"))
            return listener with { Filter = FilterArgument() };
        else if (Accept("hostname"))
            return listener with { Hostname = HostNameText("a host name") };
        else if (Accept("hostnames"))
            return listener with { Hostnames = TableArgument("hostnames", TableUse.Mapping, TableService.AddrName) };
        else if (Accept("senders"))
            return listener with { Senders = TableArgument("senders", TableUse.Mapping, TableService.MailAddrMap), Masquerade = Accept("masquerade") };
        else if (Accept("mask-src"))
            return listener with { MaskSource = true };
        else if (Accept("no-dsn"))
            return listener with { NoDsn = true };
        else if (Accept("proxy-v2"))
            return listener with { ProxyV2 = true };
        else if (Accept("received-auth"))
            return listener with { ReceivedAuth = true };
        else if (Accept("tag"))
            return listener with { Tag = TagName() };
        else
            Fail("an option of the listener (inet4, inet6, port, tls, tls-require, smtps, pki, ca, protocols, ciphers, auth, auth-optional, filter, hostname, hostnames, senders, mask-src, no-dsn, proxy-v2, received-auth, tag) or the end of the line");
        return listener;
    }

    private ListenerConfiguration ListenerTlsOption(ListenerConfiguration listener, ListenerOptions options, Token option, ListenerTls tls)
    {
        if (listener.Tls != ListenerTls.None && listener.Tls != tls)
            Error(option.Position, $"{option.Describe()} is a second kind of TLS: expected one of tls, tls-require and smtps");
        options.TlsPosition = option.Position;
        return listener with { Tls = tls };
    }

    private ListenerConfiguration ListenerAuthOption(ListenerConfiguration listener, ListenerOptions options, Token option, ListenerAuth auth)
    {
        if (listener.Auth != ListenerAuth.None && listener.Auth != auth)
            Error(option.Position, $"{option.Describe()} is a second kind of auth: expected one of auth and auth-optional");
        options.AuthPosition = option.Position;
        return listener with
        {
            Auth = auth,
            Credentials = AtTableArgument ? TableArgument(option.Text, TableUse.Mapping, TableService.Credentials) : null,
        };
    }

    private Token DeclaredCertificate(string kind, Func<string, bool> isDeclared)
    {
        Token name = CertificateName($"a {kind} name");
        if (!_failed && !isDeclared(name.Text))
            Error(name.Position, $"unknown {kind} {name.Describe()}: expected one declared before");
        return name;
    }

    private string TagName()
    {
        Token token = _token;
        string tag = Text("a tag");
        if (!_failed && tag.Length is 0 or > MaxTagLength)
            Error(token.Position, $"tag {token.Describe()} is too long or empty: expected 1 to {MaxTagLength} characters");
        return tag;
    }

    private ushort Port()
    {
        if (_failed)
            return 0;
        int? port = _token.IsText
            ? int.TryParse(_token.Text, System.Globalization.NumberStyles.None, null, out int number) ? number : _environment.ServicePort(_token.Text)
            : null;
        if (port is not (> 0 and <= ushort.MaxValue))
        {
            Fail("a port from 1 to 65535, or the name of a service");
            return 0;
        }
        Advance();
        return (ushort)port;
    }

    private ImmutableArray<IPEndPoint> EndPoints(Token on, AddressFamily? family, ushort port)
    {
        IReadOnlyList<IPAddress> addresses = ListenAddresses(on.Text);
        if (addresses.Count == 0)
            Error(on.Position, $"cannot listen on {on.Describe()}: expected an interface, a group of interfaces, an address, or a host name with an address");
        ImmutableArray<IPEndPoint> endPoints =
            [.. addresses.Where(address => family is null || address.AddressFamily == family).Distinct().Select(address => new IPEndPoint(address, port))];
        if (endPoints.IsEmpty && addresses.Count > 0)
            Error(on.Position, $"{on.Describe()} has no address of the family that is asked for: expected one, or no inet4 or inet6");
        return endPoints;
    }

    private IReadOnlyList<IPAddress> ListenAddresses(string on)
    {
        if (_environment.InterfaceAddresses(on) is { Count: > 0 } addresses)
            return addresses;
        string literal = on.StartsWith('[') && on.EndsWith(']') ? on[1..^1] : on;
        bool isLiteral = literal.Contains(':', StringComparison.Ordinal) || literal.Count('.') == 3;
        if (isLiteral && IPAddress.TryParse(literal, out IPAddress? address))
            return [address];
        return _environment.HostAddresses(on);
    }

    /// <summary>What of a listen statement is needed until its end only.</summary>
    private sealed class ListenerOptions
    {
        public HashSet<string> Seen { get; } = new(StringComparer.Ordinal);

        public List<Token> Pki { get; } = [];

        public Token? Ca { get; set; }

        public AddressFamily? Family { get; set; }

        public ushort? Port { get; set; }

        public SourcePosition AuthPosition { get; set; }

        public SourcePosition TlsPosition { get; set; }
    }
}
