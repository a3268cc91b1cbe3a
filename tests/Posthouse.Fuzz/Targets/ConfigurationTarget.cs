using System.Text;
using Posthouse.Fuzz.Oracles;
using Posthouse.Server.Configuration;
using Posthouse.Server.Tables;

namespace Posthouse.Fuzz.Targets;

/// <summary>
/// smtpd.conf. Of a second reading of the language there is none, so that what was read is checked for what the rest of the server relies on, and
/// against itself: comments and empty lines around the text must not change what it says.
/// </summary>
public sealed class ConfigurationTarget : IFuzzTarget
{
    public static string Name => "configuration";

    public static IReadOnlyList<string> Words { get; } =
    [
        "listen on lo\n", "listen on socket ", " port 25", " tls", " smtps", " tls-require verify", " pki p", " auth", " auth-optional <t>", " tag x", " filter f", " hostname a.org", " mask-src", " proxy-v2", " senders <t> masquerade",
        "action \"a\" ", "maildir", "mbox", "lmtp \"/s\"", "mda \"/bin/cat\"", "expand-only", "forward-only", " alias <t>", " virtual <t>", " user vmail", " ttl 4h", "relay", " relay host smtp://a@b.org:25", " backup", " helo a.org", " src <t>",
        "match ", "from any ", "from local ", "from src <t> ", "from auth ", "from rdns regex \"a\" ", "for any ", "for domain \"b.org\" ", "for rcpt-to <t> ", "mail-from ", "! ", "regex ", "action \"a\"\n", "reject\n", "tag x ",
        "table t { a, b }\n", "table t { \"a\" = \"b\" }\n", "table t file:/t\n", "table t \"/self\"\n", "table t proc:/bin/x\n", "pki p cert \"/c\"\npki p key \"/k\"\n", "ca c cert \"/c\"\n", "filter f phase connect match !rdns disconnect \"550 no\"\n",
        "filter f chain { g, h }\n", "filter f proc-exec \"x\"\n", "proc p \"x\"\n", "queue ttl 2d\n", "queue compression\n", "queue encryption \"0123456789abcdef0123456789abcdef\"\n", "scheduler limit max-inflight 5\n", "smtp max-message-size 35M\n",
        "smtp limit max-mails 5\n", "mta max-deferred 7\n", "mta limit max-conn-per-host 10\n", "mda limit max-session 9\n", "mda wrapper w \"x %{mda}\"\n", "srs key \"k\"\n", "bounce warn-interval { 1h, 4h }\n", "admd a.org\n", "include \"/self\"\n",
        "m = \"x\"\n", "$m", "{", "}", "<", ">", "=", "\\\n", "# c\n", "\"", "'", "0", "99999999999", "1w",
    ];

    public static bool Run(ReadOnlySpan<byte> input)
    {
        string text = Encoding.UTF8.GetString(input);
        ConfigurationResult result = Parse(text);
        MismatchException.ThrowUnlessSame(!result.Diagnostics.Any(each => each.IsError), result.IsValid, "whether it is valid");
        int lines = text.Count(c => c == '\n') + 1;
        foreach (Diagnostic each in result.Diagnostics)
        {
            MismatchException.ThrowUnless(!each.ToString().Any(char.IsControl), $"a diagnostic has control characters: {each}");
            MismatchException.ThrowUnless(each.Position.Line >= 0 && each.Position.Line <= lines && each.Position.Column >= 0, $"a misplaced diagnostic: {each}");
        }

        ConfigurationResult shifted = Parse("# first\n\n" + text + "\n# last\n");
        // A line continued into the end of the file, and a quote or brace left open, do see the comment.
        if (result.IsValid)
            MismatchException.ThrowUnless(shifted.IsValid, $"comments spoil it: {string.Join('\n', shifted.Diagnostics)}");
        if (result.Configuration is not { } configuration)
            return false;
        MismatchException.ThrowUnlessSame(Describe(configuration), Describe(shifted.Configuration!), "the configuration between comments");
        Check(configuration);
        return true;
    }

    private static ConfigurationResult Parse(string text) => ConfigurationParser.ParseText(text, "smtpd.conf", null, new QuietMachine(text), reportUnusedMacros: true);

    private static string Describe(ServerConfiguration configuration) => string.Join('\n',
        configuration.Listeners.Select(listener => $"{listener.Interface} {string.Join(',', listener.EndPoints)} {listener.Tls} {listener.Auth} {listener.Tag} {listener.Hostname} {listener.Filter?.Name}")
            .Concat(configuration.Rules.Select(rule => $"{string.Join(',', rule.Criteria.Select(one => $"{one.Subject} {one.Negated} {one.IsRegex} {Describe(one.Table)}"))} {rule.Action?.Name}"))
            .Concat(configuration.Tables.Values.Select(Describe).Order(StringComparer.Ordinal))
            .Concat(configuration.Actions.Keys.Order(StringComparer.Ordinal))
            .Append($"{configuration.Queue} {configuration.Smtp.Limits} {configuration.Mta.Limits} {configuration.Mda} {configuration.Scheduler}"));

    private static string Describe(TableDefinition? table) => table is null ? "" : $"{table.Name} {table.Kind} {table.Source} {table.Path} {string.Join(',', table.Entries.Select(entry => (entry.Key, entry.Value)))}";

    private static void Check(ServerConfiguration configuration)
    {
        MismatchException.ThrowUnless(configuration.WarnIntervals.Length is >= 1 and <= 4 && configuration.WarnIntervals.Order().SequenceEqual(configuration.WarnIntervals), "the warn intervals");
        MismatchException.ThrowUnless(configuration.Queue.Ttl > TimeSpan.Zero && configuration.WarnIntervals[0] > TimeSpan.Zero, "a time that is none");
        MismatchException.ThrowUnless(!configuration.Queue.Encryption || configuration.Queue.EncryptionKey is not null, "encryption without a key");
        MismatchException.ThrowUnless(configuration.Rules.Length != 0, "no rule");
        foreach (MatchRule rule in configuration.Rules)
        {
            MismatchException.ThrowUnless(rule.IsReject || configuration.Actions.ContainsKey(rule.Action!.Name), "a rule's action is unknown");
            foreach (TableDefinition table in rule.Criteria.Where(one => one.Table is not null).Select(one => one.Table!))
                MismatchException.ThrowUnless(configuration.Tables.TryGetValue(table.Name, out TableDefinition? declared) && ReferenceEquals(table, declared), $"{table.Name} is no table of it");
        }

        foreach (ListenerConfiguration listener in configuration.Listeners)
        {
            MismatchException.ThrowUnless(listener.EndPoints.Length != 0 && listener.EndPoints.All(end => end.Port is > 0 and <= 65535), "a listener without a port");
            MismatchException.ThrowUnless(listener.Tls == ListenerTls.None || listener.Pki.Length != 0, "TLS without a certificate");
            MismatchException.ThrowUnless(listener.Tag.Length <= 32, "a tag that is too long");
            CheckFilter(listener.Filter, depth: 0);
        }

        foreach (FilterDefinition filter in configuration.Filters.Values)
            CheckFilter(filter, depth: 0);
    }

    private static void CheckFilter(FilterDefinition? filter, int depth)
    {
        if (filter is not FilterDefinition.Chain chain)
            return;
        MismatchException.ThrowUnless(depth == 0 && chain.Members.Length != 0, "a chain in a chain, or of nothing");
        foreach (FilterDefinition member in chain.Members)
            CheckFilter(member, depth + 1);
    }
}
