using Posthouse.Server.Configuration;

namespace Posthouse.Tests.Configuration;

/// <summary>Configurations as people write them: each must be accepted without a word, and come to what its author means.</summary>
public class WholeConfigurationTests
{
    private static FakeEnvironment Machine()
    {
        var machine = new FakeEnvironment();
        machine.Files["/etc/mail/aliases"] = machine.Files["/etc/aliases"] = "root: joe\npostmaster: root\n";
        machine.Files["/etc/mail/secrets"] = "smart user:password\n";
        machine.Files["/etc/mail/passwd"] = "joe:$6$salt$hash:1000:1000::/home/joe:/bin/sh\n";
        machine.Files["/etc/mail/creds"] = "joe $6$salt$hash\n";
        machine.Files["/etc/mail/domains"] = "example.org\nexample.net\n";
        machine.Files["/etc/mail/virtuals"] = "joe@example.org joe\n@example.net joe\n";
        machine.Files["/etc/mail/empty"] = "";
        machine.Files["/etc/mail/users.db"] = "";
        machine.Programs.UnionWith(["/usr/local/libexec/smtpd/filter-rspamd", "filter-dkimsign", "filter-senderscore", "/usr/local/bin/dkimproxy.in"]);
        return machine;
    }

    private static ServerConfiguration Read(string text) => Machine().Good(text);

    private static string Rules(ServerConfiguration read) =>
        string.Join("; ", read.Rules.Select(rule => $"{string.Join(' ', rule.Criteria.Select(each => (each.Negated ? "!" : "") + each.Subject))} -> {rule.Action?.Name ?? "reject"}"));

    [Fact]
    public void The_default_of_OpenBSD()
    {
        ServerConfiguration read = Read(
            """
            #	$OpenBSD: smtpd.conf,v 1.14 2019/11/26 20:14:38 gilles Exp $

            # This is the smtpd server system-wide configuration file.
            # See smtpd.conf(5) for more information.

            table aliases file:/etc/mail/aliases

            # To accept external mail, replace with: listen on all
            #
            listen on socket
            listen on lo0

            action "local_mail" mbox alias <aliases>
            action "outbound" relay

            # Uncomment the following to accept external mail for domain "example.org"
            #
            # match from any for domain "example.org" action "local_mail"
            match from local for local action "local_mail"
            match from local for any action "outbound"
            """);
        Assert.Equal("FromSource ForDomain -> local_mail; FromSource -> outbound", Rules(read));
        Assert.Equal("relay action \"outbound\"", Assert.Single(read.UnsupportedFeatures).What);
    }

    [Fact]
    public void The_default_of_a_Linux_package()
    {
        ServerConfiguration read = Read(
            """
            table aliases file:/etc/aliases
            listen on localhost
            listen on socket
            action "local" maildir alias <aliases>
            action "relay" relay
            match for local action "local"
            match from local for any action "relay"
            """);
        Assert.Equal("FromSource ForDomain -> local; FromSource -> relay", Rules(read));
    }

    [Fact]
    public void Submission_with_auth_and_certificates()
    {
        ServerConfiguration read = Read(
            """
            pki mail.example.org cert "/etc/ssl/mail.example.org.fullchain.pem"
            pki mail.example.org key "/etc/ssl/private/mail.example.org.key"
            table aliases file:/etc/mail/aliases
            table creds file:/etc/mail/creds

            listen on all tls pki mail.example.org
            listen on all port submission tls-require pki mail.example.org auth <creds> mask-src tag SUBMIT
            listen on all smtps pki mail.example.org auth <creds> hostname mail.example.org senders { joe = "joe@example.org, @example.net" } masquerade

            action "in" maildir "~/Maildir" junk alias <aliases>
            action "out" relay helo mail.example.org

            match from any for domain "example.org" action "in"
            match for local action "in"
            match from any auth for any action "out"
            match for any action "out"
            """);
        Assert.Equal([25, 587, 465], read.Listeners.Select(each => each.EndPoints[0].Port));
        Assert.Equal([ListenerTls.Offered, ListenerTls.Required, ListenerTls.Implicit], read.Listeners.Select(each => each.Tls));
        Assert.Equal("/etc/ssl/private/mail.example.org.key", read.Listeners[2].Pki[0].KeyPath);
        Assert.Equal("ForDomain -> in; FromSource ForDomain -> in; Auth -> out; FromSource -> out", Rules(read));
    }

    [Fact]
    public void A_smarthost_with_credentials()
    {
        ServerConfiguration read = Read(
            """
            table aliases file:/etc/mail/aliases
            table secrets file:/etc/mail/secrets
            listen on lo0
            action "local" mbox alias <aliases>
            action "relay" relay host smtp+tls://smart@smtp.example.net:587 auth <secrets> mail-from "@example.org"
            match for local action "local"
            match for any action "relay"
            """);
        var relay = Assert.IsType<RelayAction>(read.Actions["relay"]);
        Assert.Equal(("smtp+tls://smart@smtp.example.net:587", "secrets", "@example.org"), (relay.Host?.Entries[0].Key, relay.Auth?.Name, relay.MailFrom));
    }

    [Fact]
    public void Virtual_domains_for_one_user()
    {
        ServerConfiguration read = Read(
            """
            table domains file:/etc/mail/domains
            table virtuals file:/etc/mail/virtuals
            table users passwd:/etc/mail/passwd
            listen on egress
            action "vmail" maildir "/var/vmail/%{dest.domain:lowercase}/%{dest.user:strip|lowercase}" user vmail virtual <virtuals> userbase <users>
            match from any for domain <domains> action "vmail"
            """);
        var action = Assert.IsType<LocalAction>(read.Actions["vmail"]);
        Assert.Equal(("virtuals", "users", "vmail"), (action.Virtual?.Name, action.Userbase.Name, action.User));
        Assert.Equal("domains", read.Rules[0].Criteria.Single().Table?.Name);
    }

    [Fact]
    public void Dovecot_by_lmtp()
    {
        ServerConfiguration read = Read(
            """
            table vdomains { "example.org", "example.net" }
            table vusers {
            	"joe@example.org" = "vmail",
            	"@example.net" => "vmail"
            }
            listen on eth0 port 25 hostname mail.example.org
            action "dovecot" lmtp "/var/run/dovecot/lmtp" rcpt-to virtual <vusers>
            action "remote" lmtp "127.0.0.1:24" alias { "root" = "joe" }
            match from any for domain <vdomains> action "dovecot"
            match from any for domain "lists.example.org" action "remote"
            """);
        Assert.Equal(new LocalMethod.Lmtp("/var/run/dovecot/lmtp", true), Assert.IsType<LocalAction>(read.Actions["dovecot"]).Method);
        Assert.Equal(2, read.Tables["vusers"].Entries.Count);
    }

    [Fact]
    public void Rspamd_and_builtin_filters()
    {
        ServerConfiguration read = Read(
            """
            filter "rspamd" proc-exec "/usr/local/libexec/smtpd/filter-rspamd"
            filter "dkimsign" proc-exec "filter-dkimsign -d example.org -s 2024 -k /etc/mail/dkim/example.key" user "nobody" group "nogroup"
            filter check_dyndns phase connect match rdns regex { '.*\.dyn\..*', '.*\.dsl\..*' } disconnect "550 no residential connections"
            filter check_rdns phase connect match !rdns disconnect "550 no rDNS is so 80s"
            filter check_fcrdns phase connect match !fcrdns disconnect "550 no FCrDNS is so 80s"
            filter senderscore proc-exec "filter-senderscore -blockBelow 10 -junkBelow 70 -slowFactor 5000"
            filter incoming chain { check_dyndns, check_rdns, check_fcrdns, senderscore, rspamd }
            listen on all filter incoming
            listen on socket filter "dkimsign"
            action "local" maildir junk
            match from any for domain "example.org" action "local"
            """);
        Assert.Equal(5, Assert.IsType<FilterDefinition.Chain>(read.Listeners[0].Filter).Members.Length);
        Assert.Equal(["rspamd", "dkimsign", "senderscore"], read.FilterProcesses.Keys.OrderBy(name => read.FilterProcesses[name].Command.Position.Line));
        Assert.Empty(read.UnsupportedFeatures);
    }

    [Fact]
    public void Macros_that_hold_option_lists_over_continued_lines()
    {
        ServerConfiguration read = Read(
            """
            ipv4 = "192.0.2.1"
            ipv6 = "2001:db8::1"
            domain = "example.org"
            check_rdns = "phase connect match !rdns \
                disconnect \"550 no rDNS\""
            filter "rdns" $check_rdns
            pki mail cert "/etc/ssl/mail.crt" \
                     key "/etc/ssl/private/mail.key"
            submission = "port submission tls-require pki mail \
                auth mask-src"
            inet = "inet4 port 25 tls pki mail \
                filter { rdns } \
                no-dsn"
            listen on $ipv4 $inet
            listen on $ipv4 $submission
            listen on $ipv6 $submission tag SIX
            action local maildir
            match from any for domain $domain \
                action local
            """);
        Assert.Equal(3, read.Listeners.Length);
        Assert.True(read.Listeners[0].NoDsn);
        Assert.Equal((587, "SIX"), (read.Listeners[2].EndPoints[0].Port, read.Listeners[2].Tag));
        Assert.Equal("550 no rDNS", Assert.IsType<FilterDefinition.Builtin>(read.Filters["rdns"]).Decision.Text);
        Assert.Equal("example.org", read.Rules[0].Criteria.Single().Table?.Entries[0].Key);
    }

    [Fact]
    public void A_proxy_that_gives_mail_back_on_a_tagged_port()
    {
        ServerConfiguration read = Read(
            """
            listen on eth0
            listen on lo0 port 10028 tag DKIM_OUT
            listen on lo0 port 10036 tag SPAM_IN
            action "dkim" relay host smtp://127.0.0.1:10027
            action "spam" relay host smtp://127.0.0.1:10035
            action "out" relay
            action "in" mbox
            match tag DKIM_OUT from local for any action "out"
            match tag SPAM_IN for domain "example.org" action "in"
            match from local for any action "dkim"
            match from any for domain "example.org" action "spam"
            """);
        Assert.Equal("Tag FromSource -> out; Tag FromSource ForDomain -> in; FromSource -> dkim; ForDomain -> spam", Rules(read));
    }

    [Fact]
    public void Rejections_first()
    {
        ServerConfiguration read = Read(
            """
            table bad-senders { "@spam.example", "joe@bad.example" }
            table bad-helo { "^localhost$", "^[0-9.]+$" }
            table lan { 10.0.0.0/8, 192.168.0.0/16, fd00::/8 }
            listen on all
            action local mbox
            action out relay
            match from any mail-from <bad-senders> for any reject
            match from any helo regex <bad-helo> for any reject
            match !from src <lan> mail-from "@example.org" for any reject
            match from any for rcpt-to { "noreply@example.org" } reject
            match from any ! tls for domain "secure.example.org" reject
            match from src <lan> for any action out
            match from any for domain { "example.org", "*.example.org" } action local
            """);
        Assert.Equal("MailFrom -> reject; Helo -> reject; !FromSource MailFrom -> reject; RcptTo -> reject; ForDomain !Tls -> reject; FromSource -> out; ForDomain -> local", Rules(read));
    }

    [Fact]
    public void A_backup_mx()
    {
        ServerConfiguration read = Read(
            """
            queue ttl 14d
            bounce warn-interval 4h, 1d, 3d
            listen on 192.0.2.1
            action "backup" relay backup mx "mx2.example.org"
            match from any for domain "example.org" action "backup"
            """);
        Assert.Equal((true, "mx2.example.org", 14, 3), (Assert.IsType<RelayAction>(read.Actions["backup"]).Backup, ((RelayAction)read.Actions["backup"]).BackupName, read.Queue.Ttl.Days, read.WarnIntervals.Length));
    }

    [Fact]
    public void Commands_wrappers_and_limits()
    {
        ServerConfiguration read = Read(
            """
            smtp max-message-size 100M
            smtp sub-addr-delim "-"
            smtp limit max-mails 1000 max-rcpt 10000
            mda wrapper "spam" "/usr/bin/spamc -e %{mda}"
            mda limit max-session 100 max-session-per-user 20
            mta limit max-conn-per-host 50 session-keepalive 30
            mta limit for domain gmail.com inet4 max-conn-per-host 2
            srs key "aSecretThatNobodyKnows"
            queue compression
            action "procmail" mda "/usr/bin/procmail -f %{sender} -t -Y -a %{rcpt.domain} -d %{user.username}" wrapper "spam" ttl 1d
            action "forward" relay srs
            match for local action "procmail"
            match from any auth for any action "forward"
            """);
        Assert.Equal("spam", Assert.IsType<LocalAction>(read.Actions["procmail"]).Wrapper);
        Assert.Equal((2, 50), (read.Mta.For("gmail.com").MaxConnectionsPerHost, read.Mta.For("other").MaxConnectionsPerHost));
        Assert.Equal(["srs", "relay action \"forward\""], read.UnsupportedFeatures.Select(each => each.What));
    }

    [Fact]
    public void Tables_of_a_database_program_and_empty_files()
    {
        ServerConfiguration read = Read(
            """
            table domains sqlite:/etc/mail/sqlite.conf
            table users db:/etc/mail/users
            table blocked file:/etc/mail/empty
            table "senders" file:/etc/mail/virtuals
            pki "*" cert "/c" key "/k"
            listen on lo0 tls pki "*" auth-optional <users> senders <senders>
            action deliver maildir virtual <users> userbase <getpwnam>
            match from src <blocked> for any reject
            match from any for domain <domains> action deliver
            """);
        Assert.Equal("external table \"domains\"", Assert.Single(read.UnsupportedFeatures).What);
        Assert.Equal("senders", read.Listeners[0].Senders?.Name);
    }

    [Fact]
    public void What_is_our_own()
    {
        ServerConfiguration read = Read(
            """
            resolver 127.0.0.1:5353
            queue backend sqlite
            scheduler backend ram
            smtp max-line-length 10K
            smtp limit max-sessions 500 max-sessions-per-address 10 max-commands 1000 max-errors 5 idle-timeout 1m session-timeout 1h
            proc scan "filter-rspamd" instances 4 timeout 20s on-failure bypass
            filter scan proc scan
            table ext proc-exec "/usr/bin/filter" timeout 2s
            listen on lo0 port 2525
            action local maildir
            match from any for domain "example.org" action local
            """);
        Assert.Equal(("sqlite", 10240, 500, 4), (read.Queue.Backend, read.Smtp.MaxLineLength, read.Smtp.Limits.MaxSessions, read.FilterProcesses["scan"].Command.Instances));
        Assert.Empty(read.UnsupportedFeatures);
    }
}
