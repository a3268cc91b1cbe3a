using Posthouse.Plugs;
using Posthouse.Server.Model;
using Posthouse.Server.Tables;

namespace Posthouse.Server.Configuration;

/// <summary>The action statement.</summary>
internal sealed partial class StatementParser
{
    private readonly Dictionary<string, DeliveryAction> _actions = new(StringComparer.Ordinal);

    // Certificates of relays are looked up at the end: they may be declared later.
    private readonly Dictionary<string, (Token? Pki, Token? Ca)> _relayCertificates = new(StringComparer.Ordinal);

    private void ActionStatement(SourcePosition position)
    {
        Token name = _token;
        Name("a name for the action");
        DeliveryAction? action = Accept("relay") ? Relay(name.Text, position) : Local(name.Text, position);
        if (_failed || action is null)
            return;
        if (!_actions.TryAdd(name.Text, action))
            Error(name.Position, $"action {Quote(name.Text)} is declared already at {_actions[name.Text].Position.FileAndLine}: expected another name");
    }

    private LocalAction? Local(string name, SourcePosition position)
    {
        Token method = _token;
        LocalMethod? how = Method();
        if (how is null)
            return null;
        var action = new LocalAction { Name = name, Position = position, Method = how };
        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (!_failed && !_token.IsEnd)
        {
            Token option = _token;
            if (Accept("alias"))
                action = action with { Alias = TableArgument("alias", TableUse.Mapping, TableService.Alias) };
            else if (Accept("virtual"))
                action = action with { Virtual = TableArgument("virtual", TableUse.Mapping, TableService.Alias) };
            else if (Accept("userbase"))
                action = action with { Userbase = TableArgument("userbase", TableUse.Mapping, TableService.UserInfo) ?? TableDefinition.SystemUsers };
            else if (Accept("wrapper"))
                action = action with { Wrapper = WrapperName() };
            else if (Accept("ttl"))
                action = action with { Ttl = Delay("ttl") };
            else if (Accept("user"))
                action = action with { User = ActionUser(option, method) };
            else
                Fail("an option of the action (alias, virtual, userbase, user, wrapper, ttl) or the end of the line");
            Once(seen, option);
            if (seen.Contains("alias") && option.Is("virtual") || seen.Contains("virtual") && option.Is("alias"))
                Error(option.Position, $"{option.Describe()} is not possible here: expected either alias or virtual");
        }
        return action;
    }

    private LocalMethod? Method()
    {
        Token method = _token;
        if (Accept("mbox"))
            return new LocalMethod.Mbox();
        if (Accept("maildir"))
        {
            string? path = OptionalText();
            return new LocalMethod.Maildir(path, Accept("junk"));
        }
        if (Accept("lmtp"))
        {
            Token destination = _token;
            string text = Text("a destination: host:port, [v6]:port or /path/of/socket");
            if (!_failed && !IsLmtpDestination(text))
                Warn(destination.Position, $"{Quote(text)} is no LMTP destination: expected host:port, [v6]:port or /path/of/socket");
            return new LocalMethod.Lmtp(text, Accept("rcpt-to"));
        }
        if (Accept("mda"))
            return new LocalMethod.Mda(Text("a command, in quotes if it has arguments"));
        if (Accept("expand-only"))
            return new LocalMethod.ExpandOnly();
        if (Accept("forward-only"))
            return new LocalMethod.ForwardOnly();
        FailAt(method, "a method: mbox, maildir, lmtp, mda, expand-only, forward-only or relay");
        return null;
    }

    private static bool IsLmtpDestination(string text)
    {
        if (text.StartsWith('/'))
            return true;
        int colon = text.LastIndexOf(':');
        return colon > 0 && ushort.TryParse(text.AsSpan(colon + 1), System.Globalization.NumberStyles.None, null, out ushort port) && port > 0
            && (text[..colon].IndexOf(':', StringComparison.Ordinal) < 0 || (text[0] == '[' && text[colon - 1] == ']'));
    }

    private string ActionUser(Token option, Token method)
    {
        if (method.Text is "mbox" or "expand-only" or "forward-only")
            Error(option.Position, $"\"user\" is not possible with {method.Text}: expected it with maildir, lmtp or mda");
        return User();
    }

    private string WrapperName()
    {
        Token token = _token;
        string name = Text("the name of a wrapper", allowReserved: true);
        if (!_failed && !_wrappers.ContainsKey(name))
            Error(token.Position, $"unknown wrapper {Quote(name)}: expected one declared before by mda wrapper");
        return name;
    }

    private RelayAction Relay(string name, SourcePosition position)
    {
        var action = new RelayAction { Name = name, Position = position };
        var seen = new HashSet<string>(StringComparer.Ordinal);
        (Token? Pki, Token? Ca) certificates = default;
        while (!_failed && !_token.IsEnd)
        {
            Token option = _token;
            if (Accept("host"))
                action = action with { Host = TableArgument("host", TableUse.List, TableService.RelayHost) };
            else if (Accept("domain"))
                action = action with { Domain = TableArgument("domain", TableUse.Mapping, TableService.RelayHost) };
            else if (Accept("backup"))
                action = action with { Backup = true, BackupName = Accept("mx") ? Text("the name of an MX") : null };
            else if (Accept("auth"))
                action = action with { Auth = TableArgument("auth", TableUse.Mapping, TableService.Credentials) };
            else if (Accept("tls"))
                action = action with { Tls = Accept("no-verify") ? RelayTls.Unverified : RelayTls.Verified };
            else if (Accept("pki"))
                certificates.Pki = CertificateName("a pki name");
            else if (Accept("ca"))
                certificates.Ca = CertificateName("a ca name");
            else if (Accept("protocols"))
                action = action with { Protocols = Text("TLS protocols") };
            else if (Accept("ciphers"))
                action = action with { Ciphers = Text("TLS ciphers") };
            else if (Accept("src"))
                action = action with { Source = TableArgument("src", TableUse.Either, TableService.Source) };
            else if (Accept("helo"))
                action = action with { Helo = HostNameText("a HELO name") };
            else if (Accept("helo-src"))
                action = action with { HeloSource = TableArgument("helo-src", TableUse.Mapping, TableService.AddrName) };
            else if (Accept("mail-from"))
                action = action with { MailFrom = Text("a sender: user@domain, @domain or user") };
            else if (Accept("srs"))
                action = action with { Srs = RelaySrs(option) };
            else if (Accept("filter"))
                action = action with { Filter = FilterArgument() };
            else if (Accept("ttl"))
                action = action with { Ttl = Delay("ttl") };
            else
                Fail("an option of relay (host, domain, backup, auth, tls, pki, ca, protocols, ciphers, src, helo, helo-src, mail-from, srs, filter, ttl) or the end of the line");
            Once(seen, option);
            CheckRoute(seen, option);
        }
        if (!_failed)
        {
            _relayCertificates.TryAdd(name, certificates);
            CheckLabels(action);
        }
        return action;
    }

    private void CheckRoute(HashSet<string> seen, Token option)
    {
        if (option.Text is not ("host" or "domain" or "backup"))
            return;
        foreach (string other in (ReadOnlySpan<string>)["host", "domain", "backup"])
            if (other != option.Text && seen.Contains(other))
                Error(option.Position, $"{option.Describe()} is not possible together with {other}: expected one of host, domain and backup");
    }

    private bool RelaySrs(Token option)
    {
        if (_srsKey is null)
            Error(option.Position, "\"srs\" has no key: expected srs key before it");
        return true;
    }

    // A label without credentials only fails when mail is to go out, as in OpenSMTPD; the administrator is told now.
    private void CheckLabels(RelayAction action)
    {
        if ((action.Host ?? action.Domain) is not { } table || action.Auth is not null || !_entries.TryGetValue(table.Name, out var entries))
            return;
        foreach ((string key, string? value, SourcePosition place) in entries)
            if (RelayUrl.TryParse(value ?? key, out RelayUrl? url, out _) && url.Label is not null)
                Warn(place, $"{Quote(value ?? key)} has a label but the action has no credentials: expected auth <table>");
    }

    private Token CertificateName(string what)
    {
        Token token = _token;
        return token with { Text = Text(what).ToLowerInvariant() };
    }
}
