using System.Text.Json;
using Posthouse.Server.Configuration;

namespace Posthouse.Tests.Configuration;

/// <summary>Every error and warning: where it stands, and the words that tell what was wrong and what was expected.</summary>
public class ErrorTests
{
    // Line 1 of each text; declarations that it may use stand behind macros of the command line so that they do not move it.
    private static readonly Dictionary<string, string> s_prelude = new()
    {
        ["pre"] =
            """
            table list { a }
            table map { k = v }
            action a mbox
            action out relay
            proc p "/usr/bin/filter"
            filter f phase connect match rdns bypass
            filter g proc p
            filter h proc p
            filter c chain { f }
            mda wrapper w "x"
            pki k cert "/c" key "/k"
            ca k cert "/c"
            match action a

            """,
    };

    private static ConfigurationResult Parse(string text) => new FakeEnvironment().Parse($"$pre\n{text}\n", s_prelude);

    private static void Single(string text, int line, int column, DiagnosticSeverity severity, string message)
    {
        ConfigurationResult result = Parse(text);
        Diagnostic only = Assert.Single(result.Diagnostics);
        Assert.Equal(new("smtpd.conf", line + 1, column), only.Position);
        Assert.Equal(severity, only.Severity);
        Assert.Equal(message, only.Message);
        Assert.Equal(severity == DiagnosticSeverity.Warning, result.IsValid);
    }

    [Theory]
    [InlineData("foo bar", 1, 1, "unexpected \"foo\": expected a statement (action, listen, match, table, …) or name = value")]
    [InlineData("}", 1, 1, "unexpected \"}\": expected a statement (action, listen, match, table, …) or name = value")]
    [InlineData("\"action\" b mbox", 1, 1, "unexpected \"action\": expected a statement (action, listen, match, table, …) or name = value")]
    [InlineData("accept from any for local deliver to mbox", 1, 1, "unexpected \"accept\": expected match … action NAME or match … reject: the language of OpenSMTPD before 6.4 is not read")]
    [InlineData("x =", 1, 4, "unexpected the end of the line: expected the value of the macro, in quotes if it has spaces")]
    [InlineData("x = a b", 1, 7, "unexpected \"b\": expected the end of the line")]
    [InlineData("queue compression now", 1, 19, "unexpected \"now\": expected the end of the line")]
    [InlineData("action", 1, 7, "unexpected the end of the line: expected a name for the action")]
    [InlineData("action \"\" mbox", 1, 8, "unexpected \"\": expected a name for the action")]
    [InlineData("action b", 1, 9, "unexpected the end of the line: expected a method: mbox, maildir, lmtp, mda, expand-only, forward-only or relay")]
    [InlineData("action b mailbox", 1, 10, "unexpected \"mailbox\": expected a method: mbox, maildir, lmtp, mda, expand-only, forward-only or relay")]
    [InlineData("action b mbox host", 1, 15, "unexpected \"host\": expected an option of the action (alias, virtual, userbase, user, wrapper, ttl) or the end of the line")]
    [InlineData("action b lmtp", 1, 14, "unexpected the end of the line: expected a destination: host:port, [v6]:port or /path/of/socket")]
    [InlineData("action b mbox ttl 4", 1, 19, "unexpected \"4\": expected a number and one of s, m, h, d, such as 4h, for ttl")]
    [InlineData("action b relay mx", 1, 16, "unexpected \"mx\": expected an option of relay (host, domain, backup, auth, tls, pki, ca, protocols, ciphers, src, helo, helo-src, mail-from, srs, filter, ttl) or the end of the line")]
    [InlineData("action b relay host", 1, 20, "unexpected the end of the line: expected a table for \"host\": <name>, text, or a list in braces")]
    [InlineData("action b mbox alias <map", 1, 25, "unexpected the end of the line: expected \">\"")]
    [InlineData("action b mbox alias <>", 1, 22, "unexpected \">\": expected the name of a table")]
    [InlineData("match for any", 1, 14, "unexpected the end of the line: expected a criterion (for, from, auth, helo, mail-from, rcpt-to, tag, tls), action or reject")]
    [InlineData("match for any action a reject", 1, 24, "unexpected \"reject\": expected a criterion (for, from, auth, helo, mail-from, rcpt-to, tag, tls) or the end of the line")]
    [InlineData("match ! reject", 1, 9, "unexpected \"reject\": expected a criterion (for, from, auth, helo, mail-from, rcpt-to, tag, tls), action or reject")]
    [InlineData("match for all action a", 1, 11, "unexpected \"all\": expected any, local, domain or rcpt-to")]
    [InlineData("match from all action a", 1, 12, "unexpected \"all\": expected any, local, socket, src, rdns, auth or mail-from")]
    [InlineData("match from src action a", 1, 16, "unexpected \"action\": expected a table for \"from src\": <name>, text, or a list in braces (a reserved word must be quoted)")]
    [InlineData("match for domain { } reject", 1, 20, "unexpected \"}\": expected an entry of the list")]
    [InlineData("match for domain { a = } reject", 1, 24, "unexpected \"}\": expected a value for \"a\"")]
    [InlineData("listen", 1, 7, "unexpected the end of the line: expected \"on\"")]
    [InlineData("listen on", 1, 10, "unexpected the end of the line: expected an interface, a group, an address, a host name, all or socket")]
    [InlineData("listen on lo port http", 1, 19, "unexpected \"http\": expected a port from 1 to 65535, or the name of a service")]
    [InlineData("listen on lo port 65536", 1, 19, "unexpected \"65536\": expected a port from 1 to 65535, or the name of a service")]
    [InlineData("listen on lo tag port 25", 1, 18, "unexpected \"port\": expected a tag (a reserved word must be quoted)")]
    [InlineData("listen on socket port 25", 1, 18, "unexpected \"port\": expected an option of the socket (filter, mask-src, no-dsn, tag) or the end of the line")]
    [InlineData("filter x chain f", 1, 16, "unexpected \"f\": expected the names of filters in braces")]
    [InlineData("filter x when connect", 1, 10, "unexpected \"when\": expected phase, proc, proc-exec or chain")]
    [InlineData("filter x phase quit match rdns junk", 1, 16, "unexpected \"quit\": expected a phase: connect, helo, ehlo, auth, mail-from, rcpt-to, data or commit")]
    [InlineData("filter x phase helo rdns junk", 1, 21, "unexpected \"rdns\": expected \"match\"")]
    [InlineData("filter x phase helo match junk", 1, 27, "unexpected \"junk\": expected a condition (fcrdns, rdns, src, helo, auth, mail-from, rcpt-to)")]
    [InlineData("filter x phase helo match rdns", 1, 31, "unexpected the end of the line: expected a decision: reject, disconnect, rewrite, report, junk or bypass")]
    [InlineData("filter x phase connect match helo a junk", 1, 30, "unexpected \"helo\": expected a condition that is known when the phase begins: helo is not yet, or no more")]
    [InlineData("filter x phase data match rcpt-to a junk", 1, 27, "unexpected \"rcpt-to\": expected a condition that is known when the phase begins: rcpt-to is not yet, or no more")]
    [InlineData("filter x phase commit match rdns junk", 1, 34, "unexpected \"junk\": expected reject, disconnect, rewrite or report: at commit it is too late for others")]
    [InlineData("proc q \"/usr/bin/filter\" instances 65", 1, 36, "unexpected \"65\": expected a number from 1 to 64 for instances")]
    [InlineData("proc q \"/usr/bin/filter\" on-failure ignore", 1, 37, "unexpected \"ignore\": expected tempfail, bypass or reject")]
    [InlineData("table x proc-exec \"/usr/bin/filter\" on-failure bypass", 1, 37, "unexpected \"on-failure\": expected user, group, chroot, instances, or timeout")]
    [InlineData("table x", 1, 8, "unexpected the end of the line: expected file:/path, db:/path, TYPE:/path, proc-exec or a list in braces")]
    [InlineData("pki x", 1, 6, "unexpected the end of the line: expected cert, key or dhe")]
    [InlineData("pki k dhe medium", 1, 11, "unexpected \"medium\": expected none, auto or legacy")]
    [InlineData("ca x key \"/x\"", 1, 6, "unexpected \"key\": expected \"cert\"")]
    [InlineData("srs secret", 1, 5, "unexpected \"secret\": expected key or ttl")]
    [InlineData("queue fs", 1, 7, "unexpected \"fs\": expected compression, encryption, ttl or backend")]
    [InlineData("queue backend ext4", 1, 15, "unexpected \"ext4\": expected log, fs, sqlite, ram, null or proc-exec")]
    [InlineData("scheduler backend disk", 1, 19, "unexpected \"disk\": expected ram, null or proc-exec")]
    [InlineData("scheduler max-inflight 1", 1, 11, "unexpected \"max-inflight\": expected limit or backend")]
    [InlineData("scheduler limit max 1", 1, 17, "unexpected \"max\": expected max-inflight, max-schedule, max-evp-batch-size, max-msg-batch-size")]
    [InlineData("scheduler limit max-inflight 0", 1, 30, "unexpected \"0\": expected a number from 1 for max-inflight")]
    [InlineData("mda limits", 1, 5, "unexpected \"limits\": expected wrapper or limit")]
    [InlineData("mta limit for example.org max-conn-per-host 1", 1, 15, "unexpected \"example.org\": expected \"domain\"")]
    [InlineData("mta limit max-conn-per-host -1", 1, 29, "unexpected \"-1\": expected a number from 0 for max-conn-per-host")]
    [InlineData("smtp limit max-mails 99999999999", 1, 22, "unexpected \"99999999999\": expected a number from 1 for max-mails")]
    [InlineData("smtp max-message-size big", 1, 23, "unexpected \"big\": expected a size such as 35M for max-message-size")]
    [InlineData("smtp max-line-length 1M", 1, 22, "unexpected \"1M\": expected a size such as 35M for max-line-length, from 998 to 65536 bytes")]
    [InlineData("smtp sub-addr-delim \"@\"", 1, 21, "unexpected \"@\": expected one printable character other than @")]
    [InlineData("smtp sub-addr-delim \"++\"", 1, 21, "unexpected \"++\": expected one printable character other than @")]
    [InlineData("smtp size 1", 1, 6, "unexpected \"size\": expected ciphers, limit, max-message-size, max-line-length or sub-addr-delim")]
    [InlineData("bounce 4h", 1, 8, "unexpected \"4h\": expected \"warn-interval\"")]
    [InlineData("bounce warn-interval 4h,", 1, 25, "unexpected the end of the line: expected a number and one of s, m, h, d, such as 4h, for warn-interval")]
    [InlineData("resolver", 1, 9, "unexpected the end of the line: expected the address of a name server, perhaps with a port")]
    [InlineData("include", 1, 8, "unexpected the end of the line: expected the path of a file")]
    [InlineData("admd $none", 1, 6, "macro \"none\" is not defined: expected none = value before its use")]
    public void Syntax(string text, int line, int column, string message) => Single(text, line, column, DiagnosticSeverity.Error, message);

    [Theory]
    [InlineData("match action b", 1, 14, "unknown action \"b\": expected one declared before")]
    [InlineData("match action b\naction b mbox", 1, 14, "unknown action \"b\": expected one declared before")]
    [InlineData("action a maildir", 1, 8, "action \"a\" is declared already at smtpd.conf:1: expected another name")]
    [InlineData("action b mbox alias <none>", 1, 22, "unknown table \"none\": expected one declared before, or <localhost>, <anyhost>, <localnames>, <anydestination>, <getpwnam>")]
    [InlineData("action b mbox alias <list>", 1, 21, "table \"list\" is a list and cannot be used for \"alias\": expected a mapping")]
    [InlineData("match for domain <map> reject", 1, 18, "table \"map\" is a mapping and cannot be used for \"for domain\": expected a list")]
    [InlineData("match for domain { a = b } reject", 1, 18, "this table is a mapping and cannot be used for \"for domain\": expected a list")]
    [InlineData("match auth joe from any for any tag <map> reject", 1, 37, "table \"map\" is a mapping and cannot be used for \"tag\": expected a list")]
    [InlineData("action b mbox alias <map> alias <map>", 1, 27, "\"alias\" is given twice: expected it once")]
    [InlineData("action b mbox alias <map> virtual <map>", 1, 27, "\"virtual\" is not possible here: expected either alias or virtual")]
    [InlineData("action b mbox user vmail", 1, 15, "\"user\" is not possible with mbox: expected it with maildir, lmtp or mda")]
    [InlineData("action b mbox wrapper v", 1, 23, "unknown wrapper \"v\": expected one declared before by mda wrapper")]
    [InlineData("action b relay host a.org backup", 1, 27, "\"backup\" is not possible together with host: expected one of host, domain and backup")]
    [InlineData("action b relay srs", 1, 16, "\"srs\" has no key: expected srs key before it")]
    [InlineData("action b relay pki none", 1, 20, "unknown pki \"none\": expected a pki statement of that name")]
    [InlineData("action b relay ca none", 1, 19, "unknown ca \"none\": expected a ca statement of that name")]
    [InlineData("action b relay filter none", 1, 23, "unknown filter \"none\": expected one declared before")]
    [InlineData("match from any from local reject", 1, 16, "\"from\" is given twice: expected it once")]
    [InlineData("match for any for rcpt-to a reject", 1, 15, "\"for\" is given twice: expected it once")]
    [InlineData("match from auth auth reject", 1, 17, "\"auth\" is given twice: expected it once")]
    [InlineData("match tls ! tls reject", 1, 13, "\"tls\" is given twice: expected it once")]
    [InlineData("listen on eth9", 1, 11, "cannot listen on \"eth9\": expected an interface, a group of interfaces, an address, or a host name with an address")]
    [InlineData("listen on 192.0.2.1 inet6", 1, 11, "\"192.0.2.1\" has no address of the family that is asked for: expected one, or no inet4 or inet6")]
    [InlineData("listen on lo inet4 inet6", 1, 20, "\"inet6\" is given twice: expected it once")]
    [InlineData("listen on lo tls", 1, 14, "TLS needs a certificate: expected pki and the name of one")]
    [InlineData("listen on lo auth", 1, 14, "auth without TLS would show passwords to everybody: expected tls, tls-require or smtps as well")]
    [InlineData("listen on lo pki k", 1, 18, "pki \"k\" is of no use without TLS: expected tls, tls-require or smtps as well")]
    [InlineData("listen on lo tls pki j", 1, 22, "unknown pki \"j\": expected one declared before")]
    [InlineData("listen on lo tls pki k ca j", 1, 27, "unknown ca \"j\": expected one declared before")]
    [InlineData("listen on lo tls smtps pki k", 1, 18, "\"smtps\" is a second kind of TLS: expected one of tls, tls-require and smtps")]
    [InlineData("listen on lo tls pki k auth auth-optional", 1, 29, "\"auth-optional\" is a second kind of auth: expected one of auth and auth-optional")]
    [InlineData("listen on lo tag \"0123456789012345678901234567890123\"", 1, 18, "tag \"0123456789012345678901234567890123\" is too long or empty: expected 1 to 32 characters")]
    [InlineData("listen on lo filter none", 1, 21, "unknown filter \"none\": expected one declared before")]
    [InlineData("listen on socket\nlisten on socket", 2, 11, "listen on \"socket\" is declared already at smtpd.conf:2: expected it once")]
    [InlineData("filter f proc p", 1, 8, "filter \"f\" is declared already at smtpd.conf:1: expected another name")]
    [InlineData("filter x proc q", 1, 15, "unknown proc \"q\": expected one declared before")]
    [InlineData("filter p proc-exec \"/usr/bin/filter\"", 1, 8, "\"p\" is the name of a proc already: expected another name")]
    [InlineData("filter x chain { f, c }", 1, 21, "filter \"c\" is a chain: expected a filter that is none")]
    [InlineData("filter x chain { f f }", 1, 20, "filter \"f\" is in the chain already: expected it once")]
    [InlineData("filter x chain { g h }", 1, 20, "filter \"h\" runs in proc \"p\", which is in the chain already: expected a filter of another proc")]
    [InlineData("proc p \"/usr/bin/filter\"", 1, 6, "proc \"p\" is declared already at smtpd.conf:1: expected another name")]
    [InlineData("proc q \"\"", 1, 8, "the command is empty: expected a program and its arguments")]
    [InlineData("proc q \"/usr/bin/filter 'x\"", 1, 8, "a quote in the command is not closed: expected a program and its arguments")]
    [InlineData("proc q \"/usr/bin/filter\" chroot var", 1, 33, "\"var\" is not absolute: expected a directory that begins with /")]
    [InlineData("table list { b }", 1, 7, "table \"list\" is declared already at smtpd.conf:1:1: expected another name")]
    [InlineData("table x fil:/etc/x", 1, 9, "unknown table type \"fil\": expected file, static, db, passwd, or a type whose program \"table-fil\" is installed")]
    [InlineData("table x file:etc/x", 1, 9, "table source \"file:etc/x\" has no absolute path: expected file:/path")]
    [InlineData("table x db", 1, 9, "table source \"db\" has no path: expected db:/path")]
    [InlineData("table x passwd:/none", 1, 9, "table file \"/none\" does not exist: expected one in the form of passwd(5)")]
    [InlineData("mda wrapper w \"y\"", 1, 13, "wrapper \"w\" is declared already: expected another name")]
    [InlineData("pki x cert \"/c\"", 1, 1, "pki \"x\" has no key: expected pki x key")]
    [InlineData("pki x key \"/c\"", 1, 1, "pki \"x\" has no certificate: expected pki x cert")]
    [InlineData("pki x cert c key \"/k\"", 1, 12, "\"c\" is not absolute: expected a file that begins with /")]
    [InlineData("pki \"a b\" cert \"/c\" key \"/k\"", 1, 5, "\"a b\" is no host name: expected a name such as mail.example.org, or *")]
    [InlineData("ca K cert \"/c\"", 1, 4, "ca \"k\" is declared already at smtpd.conf:1: expected another name")]
    [InlineData("srs ttl 23h", 1, 9, "\"23h\" is too short: expected at least 1d")]
    [InlineData("srs key \"\"", 1, 9, "the key is empty: expected a secret")]
    [InlineData("queue encryption secret", 1, 18, "the key has 6 bytes: expected exactly 32")]
    [InlineData("admd \"a b\"", 1, 6, "\"a b\" is no authservid: expected printable characters without spaces")]
    [InlineData("resolver dns.example.org", 1, 10, "\"dns.example.org\" is no name server: expected an address, perhaps with a port, such as 192.0.2.1:53 or [2001:db8::1]:53")]
    [InlineData("match for domain regex { a, \"(b\" } reject", 1, 29, "\"(b\" is no regular expression: it has a '(' without ')'")]
    [InlineData("filter x phase connect match rdns regex \"[a\" junk", 1, 41, "\"[a\" is no regular expression: it has a '[' without ']'")]
    [InlineData("include \"/none\"", 1, 9, "cannot include \"/none\": expected a file at /none")]
    public void Meaning(string text, int line, int column, string message) => Single(text, line, column, DiagnosticSeverity.Error, message);

    [Theory]
    [InlineData("action b maildir user ghost", 1, 23, "user \"ghost\" is unknown to the system")]
    [InlineData("action b lmtp localhost", 1, 15, "\"localhost\" is no LMTP destination: expected host:port, [v6]:port or /path/of/socket")]
    [InlineData("action b relay host smtp+tls://mail.example.org:0", 1, 21, "\"smtp+tls://mail.example.org:0\" is no relay URL: expected a port")]
    [InlineData("action b relay host gopher://x", 1, 21, "\"gopher://x\" is no relay URL: expected the scheme smtp, smtp+tls, smtp+notls, smtps or lmtp")]
    [InlineData("action b relay host smtps://l@x.org", 1, 21, "\"smtps://l@x.org\" has a label but the action has no credentials: expected auth <table>")]
    [InlineData("match from src { 10.0.0.0/8, local, ::1, 10.0.0.0/33 } reject", 1, 42, "\"10.0.0.0/33\" matches no client: expected an address, a network such as 192.0.2.0/24, or local")]
    [InlineData("filter x phase connect match src mail.example.org junk", 1, 34, "\"mail.example.org\" matches no client: expected an address, a network such as 192.0.2.0/24, or local")]
    [InlineData("listen on lo hostname \"my host\"", 1, 23, "\"my host\" is no host name: expected one such as mail.example.org")]
    [InlineData("action b relay helo a..b", 1, 21, "\"a..b\" is no host name: expected one such as mail.example.org")]
    [InlineData("proc q \"/usr/bin/none -x\"", 1, 8, "program \"/usr/bin/none\" was not found")]
    [InlineData("proc q \"'/usr/bin/my filter'\"", 1, 8, "program \"/usr/bin/my filter\" was not found")]
    [InlineData("proc q \"/usr/bin/filter\" chroot \"/jail\"", 1, 8, "program \"/usr/bin/filter\" was not found in \"/jail\"")]
    [InlineData("proc q \"filter-rspamd\" chroot \"/jail\"", 1, 8, "program \"filter-rspamd\" was not found in \"/jail\"")]
    [InlineData("proc q \"/usr/bin/filter $x\" chroot \"/jail\"", 1, 8, "program \"/bin/sh\" was not found in \"/jail\"")]
    [InlineData("filter x proc-exec filter-none", 1, 20, "program \"filter-none\" was not found")]
    [InlineData("filter x phase connect match rdns reject \"go away\"", 1, 42, "\"go away\" has no reply code and is sent after 550: expected a text that begins with 4xx or 5xx")]
    [InlineData("bounce warn-interval 1h, 2h, 3h, 4h, 5h", 1, 38, "\"5h\" is ignored: expected at most 4 intervals")]
    [InlineData("table x { a, b = c }", 1, 14, "\"b\" is ignored, because table \"x\" began as a list")]
    [InlineData("table x { a = b, c }", 1, 18, "\"c\" is ignored, because table \"x\" began as a mapping")]
    [InlineData("table x db:/none", 1, 9, "database \"/none\" does not exist: expected one made by makemap")]
    [InlineData("a-b = c", 1, 1, "macro \"a-b\" can never be used: expected a name of letters, digits and _")]
    public void Warnings(string text, int line, int column, string message) => Single(text, line, column, DiagnosticSeverity.Warning, message);

    [Fact]
    public void All_errors_are_reported_in_one_run()
    {
        ConfigurationResult result = Parse("foo\naction b relay host { x y\nlisten on lo port 0\nmatch action c\nmatch for domain {\n a\n {\n }\nqueue ttl x\nqueue ttl 1h");
        Assert.Equal(
            ["2:1", "4:1", "4:19", "5:14", "8:2", "10:11"],
            result.Diagnostics.Select(each => $"{each.Position.Line}:{each.Position.Column}"));
        Assert.Null(result.Configuration);
    }

    [Fact]
    public void What_is_wrong_in_one_line_is_told_from_left_to_right()
    {
        ConfigurationResult result = Parse("proc q \"/usr/bin/none\" user ghost\nlisten on eth9 tls pki j");
        Assert.Equal(["2:8", "2:29", "3:11", "3:24"], result.Diagnostics.Select(each => $"{each.Position.Line}:{each.Position.Column}"));
    }

    [Fact]
    public void A_list_that_is_not_closed_ends_before_the_next_statement()
    {
        ConfigurationResult result = Parse("table x { a,\n b\naction b mbox\nmatch action b");
        Diagnostic only = Assert.Single(result.Diagnostics);
        Assert.Equal("smtpd.conf:4:1: error: unexpected \"action\": expected \"}\" after the list that begins at smtpd.conf:2:9", only.ToString());
    }

    [Fact]
    public void Without_a_rule_nothing_would_be_accepted()
    {
        ConfigurationResult result = new FakeEnvironment().Parse("action a mbox\n");
        Assert.Equal("smtpd.conf:2:1: error: no rules: expected at least one match statement", Assert.Single(result.Diagnostics).ToString());
        Assert.Equal("no rules: expected at least one match statement", Assert.Single(new FakeEnvironment().Parse("").Diagnostics).Message);
    }

    [Fact]
    public void A_table_file_that_is_missing_or_malformed_is_named_with_its_place()
    {
        var machine = new FakeEnvironment();
        machine.Files["/etc/bad"] = "a: b\nc\n";
        ConfigurationResult result = machine.Parse("table x file:/etc/none\ntable y file:/etc/bad\nmatch reject");
        Assert.Equal(new("smtpd.conf", 1, 9), result.Diagnostics[0].Position);
        Assert.StartsWith("table file \"/etc/none\" cannot be read: ", result.Diagnostics[0].Message, StringComparison.Ordinal);
        Assert.Equal(new("/etc/bad", 2, 2), result.Diagnostics[1].Position);
        Assert.Equal("unexpected \"c\" in table \"y\": expected a value after the key", result.Diagnostics[1].Message);
        Assert.Equal(2, result.Diagnostics.Count);
    }

    [Fact]
    public void A_bad_entry_of_a_file_is_a_warning_because_it_can_be_mended_while_the_server_runs()
    {
        var machine = new FakeEnvironment();
        machine.Files["/etc/patterns"] = "^a\n*b\n";
        ConfigurationResult result = machine.Parse("table x file:/etc/patterns\nmatch from any for domain regex <x> reject");
        Assert.Equal("/etc/patterns:2:1: warning: \"*b\" is no regular expression: it has a '*' with nothing before it", Assert.Single(result.Diagnostics).ToString());
        Assert.True(result.IsValid);
    }

    [Fact]
    public void Includes_must_exist_and_end()
    {
        var machine = new FakeEnvironment();
        machine.Files["/a"] = "include \"/b\"\n";
        machine.Files["/b"] = "include \"/a\"\n";
        for (int i = 0; i < 20; i++)
            machine.Files[$"/d{i}"] = $"include \"/d{i + 1}\"";
        Assert.Equal("/b:1:9: error: \"/a\" includes itself: expected another file", Assert.Single(machine.Parse("include \"/a\"\nmatch reject").Diagnostics).ToString());
        Diagnostic deep = Assert.Single(machine.Parse("include \"/d0\"\nmatch reject").Diagnostics);
        Assert.Equal("cannot include \"/d16\": expected at most 16 files within each other and 1000 in all", deep.Message);
    }

    [Fact]
    public void A_file_that_cannot_be_read_is_an_error_too()
    {
        ConfigurationResult result = ConfigurationParser.Parse("/none", null, new FakeEnvironment());
        Assert.Equal("/none:0:0: error: cannot read the configuration: no such file", Assert.Single(result.Diagnostics).ToString());
    }

    [Fact]
    public void Diagnostics_end_after_two_hundred()
    {
        ConfigurationResult result = Parse(string.Concat(Enumerable.Repeat("foo\n", 1000)));
        Assert.InRange(result.Diagnostics.Count, 200, 201);
        Assert.Null(result.Configuration);
    }

    [Fact]
    public void Diagnostics_as_json()
    {
        string json = Diagnostic.ToJson(Parse("admd \"a b\"\nfoo").Diagnostics);
        JsonElement first = JsonDocument.Parse(json).RootElement[0];
        Assert.Equal("smtpd.conf", first.GetProperty("file").GetString());
        Assert.Equal((2, 6), (first.GetProperty("line").GetInt32(), first.GetProperty("column").GetInt32()));
        Assert.Equal("error", first.GetProperty("severity").GetString());
        Assert.Equal("\"a b\" is no authservid: expected printable characters without spaces", first.GetProperty("message").GetString());
        Assert.Equal("[]", Diagnostic.ToJson([]));
    }

    [Theory]
    [InlineData("smtp://x.org", RelayScheme.Smtp, null, "x.org", 25)]
    [InlineData("x.org", RelayScheme.Smtp, null, "x.org", 25)]
    [InlineData("x.org:2525", RelayScheme.Smtp, null, "x.org", 2525)]
    [InlineData("smtp+tls://l@x.org:587", RelayScheme.SmtpTls, "l", "x.org", 587)]
    [InlineData("smtps://a@b@x.org", RelayScheme.Smtps, "a@b", "x.org", 465)]
    [InlineData("smtp+notls://[192.0.2.1]", RelayScheme.SmtpPlain, null, "192.0.2.1", 25)]
    [InlineData("smtp://[IPv6:2001:db8::1]:26", RelayScheme.Smtp, null, "2001:db8::1", 26)]
    [InlineData("lmtp://[::1]:24", RelayScheme.Lmtp, null, "::1", 24)]
    public void Relay_urls(string text, RelayScheme scheme, string? label, string host, int port)
    {
        Assert.True(RelayUrl.TryParse(text, out RelayUrl? url, out _));
        Assert.Equal(new RelayUrl(scheme, label, host, port), url);
    }

    [Theory]
    [InlineData("")]
    [InlineData("smtp://")]
    [InlineData("lmtp://x.org")]
    [InlineData("smtp://l@x.org")]
    [InlineData("smtps://@x.org")]
    [InlineData("x.org:")]
    [InlineData("x.org:99999")]
    [InlineData("[::1")]
    [InlineData("[x]")]
    [InlineData("[::1]x")]
    [InlineData("a b")]
    public void What_is_no_relay_url_is_refused(string text) => Assert.False(RelayUrl.TryParse(text, out _, out _));
}
