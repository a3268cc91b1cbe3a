using System.Text;
using Posthouse.Server.Model;
using Posthouse.Wire;

namespace Posthouse.Server.Configuration;

/// <summary>The pki, ca and srs statements.</summary>
internal sealed partial class StatementParser
{
    private readonly Dictionary<string, PkiDraft> _pki = new(StringComparer.Ordinal);
    private readonly Dictionary<string, CaConfiguration> _authorities = new(StringComparer.Ordinal);
    private string? _srsKey;
    private string? _srsBackupKey;
    private TimeSpan _srsTtl = TimeSpan.FromDays(4);

    private void PkiStatement(SourcePosition position)
    {
        string name = NewCertificateName();
        if (_failed)
            return;
        if (!_pki.TryGetValue(name, out PkiDraft? draft))
            _pki.Add(name, draft = new(position));
        var seen = new HashSet<string>(StringComparer.Ordinal);
        do
        {
            Token option = _token;
            if (Accept("cert"))
                draft.Certificate = AbsolutePath("a file");
            else if (Accept("key"))
                draft.Key = AbsolutePath("a file");
            else if (Accept("dhe"))
                draft.Dhe = Dhe();
            else
                Fail("cert, key or dhe");
            Once(seen, option);
        }
        while (!_failed && !_token.IsEnd);
        draft.IsBroken |= _failed;
    }

    private PkiDhe Dhe()
    {
        if (Accept("none"))
            return PkiDhe.None;
        if (Accept("auto"))
            return PkiDhe.Auto;
        if (!Accept("legacy"))
            Fail("none, auto or legacy");
        return PkiDhe.Legacy;
    }

    private void CaStatement(SourcePosition position)
    {
        Token token = _token;
        string name = NewCertificateName();
        Expect("cert");
        string path = AbsolutePath("a file");
        if (!_failed && !_authorities.TryAdd(name, new(name, path) { Position = position }))
            Error(token.Position, $"ca {Quote(name)} is declared already at {_authorities[name].Position.FileAndLine}: expected another name");
    }

    private string NewCertificateName()
    {
        Token token = _token;
        string name = CertificateName("a host name or *").Text;
        if (!_failed && name != "*" && !IsHostName(name))
            Error(token.Position, $"{token.Describe()} is no host name: expected a name such as mail.example.org, or *");
        return name;
    }

    private static bool IsHostName(string name) => HostName.IsValidDomain(Encoding.UTF8.GetBytes(name));

    private string HostNameText(string what)
    {
        Token token = _token;
        string name = Text(what);
        if (!_failed && !IsHostName(name))
            Warn(token.Position, $"{token.Describe()} is no host name: expected one such as mail.example.org");
        return name;
    }

    private void SrsStatement(SourcePosition position)
    {
        if (Accept("key"))
        {
            if (Accept("backup"))
            {
                _srsBackupKey = Text("a key");
                return;
            }
            Token key = _token;
            string text = Text("a key");
            if (_failed)
                return;
            if (text.Length == 0)
                Error(key.Position, "the key is empty: expected a secret");
            else if (_srsKey is null)
                Unsupported(position, "srs");
            _srsKey = text;
        }
        else if (Accept("ttl"))
        {
            Token ttl = _token;
            TimeSpan delay = Delay("ttl");
            if (!_failed && delay < TimeSpan.FromDays(1))
                Error(ttl.Position, $"{ttl.Describe()} is too short: expected at least 1d");
            else if (!_failed)
                _srsTtl = TimeSpan.FromDays(delay.Days);
        }
        else
        {
            Fail("key or ttl");
        }
    }

    /// <summary>The pki statements of one name, as far as read.</summary>
    private sealed class PkiDraft(SourcePosition position)
    {
        public SourcePosition Position { get; } = position;

        public string? Certificate { get; set; }

        public string? Key { get; set; }

        public PkiDhe Dhe { get; set; }

        /// <summary>Whether a statement had an error, so that what is missing may only be misspelt.</summary>
        public bool IsBroken { get; set; }
    }
}
