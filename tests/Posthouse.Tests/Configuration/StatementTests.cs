using System.Net;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Model;
using Posthouse.Server.Tables;

namespace Posthouse.Tests.Configuration;

/// <summary>One test for each directive and option that is accepted, and what it comes to.</summary>
public class StatementTests
{
    private const string Rule = "\naction zz mbox\nmatch action zz";

    private static ServerConfiguration Read(string text) => new FakeEnvironment().Good(text + Rule);

    private static T Action<T>(string text) where T : DeliveryAction => Assert.IsType<T>(Read(text).Actions["a"]);

    private static ListenerConfiguration Listener(string options) => Assert.Single(Read(
        """
        table users { joe = secret }
        table names { "192.0.2.1" = a.example.org }
        filter f phase connect match fcrdns bypass
        filter g phase connect match rdns bypass
        ca c cert "/c.pem"
        pki P cert "/p.pem" key "/p.key"
        pki q cert "/q.pem"
        pki q key "/q.key" dhe auto

        """ + "listen on eth0 " + options).Listeners);

    private static MatchRule Match(string text) =>
        new FakeEnvironment().Good("table m { k = v }\naction a mbox\nmatch " + text).Rules[0];

    private static string Shape(MatchRule rule) => string.Join(' ', rule.Criteria.Select(each =>
        $"{(each.Negated ? "!" : "")}{each.Subject}{(each.IsRegex ? "~" : "")}{(each.Table is null ? "" : ":" + (each.Table.Name.StartsWith("<dynamic", StringComparison.Ordinal) ? string.Join('|', each.Table.Entries.Select(entry => entry.Key)) : each.Table.Name))}"));

    [Fact]
    public void Without_settings_the_defaults_of_the_language_hold()
    {
        ServerConfiguration read = Read("");
        Assert.Equal("mail.example.org", read.ServerName);
        Assert.Equal("mail.example.org", read.Admd);
        Assert.Equal([TimeSpan.FromHours(4)], read.WarnIntervals);
        Assert.Equal((50, 7, 30, 50, 10), (read.Mda.MaxSessions, read.Mda.MaxSessionsPerUser, read.Mda.TaskLowWater, read.Mda.TaskHighWater, read.Mda.TaskRelease));
        Assert.Equal(100, read.Mta.MaxDeferred);
        Assert.Equal((5000, 10, 256, 1024), (read.Scheduler.MaxInflight, read.Scheduler.MaxSchedule, read.Scheduler.MaxEnvelopeBatch, read.Scheduler.MaxMessageBatch));
        Assert.Equal(("log", TimeSpan.FromDays(4), false, false), (read.Queue.Backend, read.Queue.Ttl, read.Queue.Compression, read.Queue.Encryption));
        Assert.Equal(("HIGH:!aNULL:!MD5", 36700160, '+', 32768), (read.Smtp.Ciphers, read.Smtp.MaxMessageSize, read.Smtp.SubAddressDelimiter, read.Smtp.MaxLineLength));
        Assert.Equal((100, 1000), (read.Smtp.Limits.MaxMails, read.Smtp.Limits.MaxRecipients));
        Assert.Equal(SourcePosition.None, read.Socket.Position);
        Assert.Null(read.Srs);
        Assert.Empty(read.Resolvers);
        Assert.Empty(read.UnsupportedFeatures);
    }

    [Fact]
    public void Maildir()
    {
        Assert.Equal(new LocalMethod.Maildir(), Action<LocalAction>("action a maildir").Method);
        Assert.Equal(new LocalMethod.Maildir(null, true), Action<LocalAction>("action a maildir junk").Method);
        Assert.Equal(new LocalMethod.Maildir("~/M/%{rcpt.user}", true), Action<LocalAction>("action \"a\" maildir \"~/M/%{rcpt.user}\" junk").Method);
    }

    [Fact]
    public void Other_local_methods()
    {
        Assert.Equal(new LocalMethod.Mbox(), Action<LocalAction>("action a mbox").Method);
        Assert.Equal(new LocalMethod.Lmtp("127.0.0.1:24"), Action<LocalAction>("action a lmtp 127.0.0.1:24").Method);
        Assert.Equal(new LocalMethod.Lmtp("[::1]:24", true), Action<LocalAction>("action a lmtp \"[::1]:24\" rcpt-to").Method);
        Assert.Equal(new LocalMethod.Lmtp("/run/lmtp"), Action<LocalAction>("action a lmtp \"/run/lmtp\"").Method);
        Assert.Equal(new LocalMethod.Mda("/bin/x -f %{sender}"), Action<LocalAction>("action a mda \"/bin/x -f %{sender}\"").Method);
        Assert.Equal(new LocalMethod.ExpandOnly(), Action<LocalAction>("action a expand-only").Method);
        Assert.Equal(new LocalMethod.ForwardOnly(), Action<LocalAction>("action a forward-only").Method);
    }

    [Fact]
    public void Local_options_in_any_order()
    {
        LocalAction read = Action<LocalAction>(
            """
            mda wrapper w "/w %{mda}"
            table al { root = joe }
            table us { joe = "1:1:/home/joe" }
            action a maildir ttl 2d wrapper w user vmail userbase <us> alias <al>
            """);
        Assert.Equal(("al", null, "us"), (read.Alias?.Name, read.Virtual, read.Userbase.Name));
        Assert.Equal(("vmail", "w", TimeSpan.FromDays(2)), (read.User, read.Wrapper, read.Ttl));
        Assert.Equal(new SourcePosition("smtpd.conf", 4, 1), read.Position);
        Assert.Equal("<dynamic:1>", Action<LocalAction>("action a maildir virtual { \"@x.org\" = joe }").Virtual?.Name);
        Assert.Equal("<getpwnam>", Action<LocalAction>("action a mbox").Userbase.Name);
        Assert.Equal("/w %{mda}", Read("mda wrapper w \"/w %{mda}\"").Wrappers["w"]);
    }

    [Fact]
    public void Relay_options()
    {
        RelayAction read = Action<RelayAction>(
            """
            srs key "s"
            table sec { l = "u:p" }
            table hs { "192.0.2.1" = "a.org" }
            filter f phase connect match rdns bypass
            action a relay auth <sec> host smtp+tls://l@smart.example.org:587 tls no-verify pki P ca C protocols "tlsv1.3" ciphers "HIGH" \
                src { "192.0.2.1", "192.0.2.2" } helo h.example.org helo-src <hs> mail-from "@example.org" srs filter f ttl 1d
            pki p cert "/c" key "/k"
            ca c cert "/ca"
            """);
        Assert.Equal("smtp+tls://l@smart.example.org:587", read.Host?.Entries[0].Key);
        Assert.Equal(("sec", RelayTls.Unverified, "p", "c"), (read.Auth?.Name, read.Tls, read.Pki?.Name, read.Authority?.Name));
        Assert.Equal(("tlsv1.3", "HIGH", 2, "h.example.org", "hs"), (read.Protocols, read.Ciphers, read.Source?.Entries.Count, read.Helo, read.HeloSource?.Name));
        Assert.Equal(("@example.org", true, "f", TimeSpan.FromDays(1)), (read.MailFrom, read.Srs, read.Filter?.Name, read.Ttl));
    }

    [Fact]
    public void Other_relays()
    {
        Assert.Equal((false, null), (Action<RelayAction>("action a relay").Backup, Action<RelayAction>("action a relay").Host));
        Assert.Equal((true, null), (Action<RelayAction>("action a relay backup").Backup, Action<RelayAction>("action a relay backup").BackupName));
        Assert.Equal("mx2.example.org", Action<RelayAction>("action a relay backup mx mx2.example.org").BackupName);
        Assert.Equal(RelayTls.Verified, Action<RelayAction>("action a relay tls").Tls);
        Assert.Equal(TableKind.Mapping, Action<RelayAction>("action a relay domain { example.net => lmtp://127.0.0.1:24 }").Domain?.Kind);
    }

    [Fact]
    public void A_relay_that_no_rule_uses_is_no_unsupported_feature()
    {
        Assert.Empty(Read("action a relay").UnsupportedFeatures);
        UnsupportedFeature used = Assert.Single(Read("action a relay\nmatch for any action a").UnsupportedFeatures);
        Assert.Equal(new UnsupportedFeature(new("smtpd.conf", 2, 22), "relay action \"a\""), used);
    }

    [Fact]
    public void Listener_ports_and_addresses()
    {
        Assert.Equal([new IPEndPoint(IPAddress.Parse("192.0.2.1"), 25)], Listener("").EndPoints.ToArray());
        Assert.Equal(587, Listener("port submission").EndPoints[0].Port);
        Assert.Equal(2525, Listener("port 2525").EndPoints[0].Port);
        Assert.Equal(465, Listener("port smtps").EndPoints[0].Port);
        Assert.Equal(465, Listener("smtps pki p").EndPoints[0].Port);
        Assert.Equal(2465, Listener("smtps pki p port 2465").EndPoints[0].Port);
        Assert.Equal(2, Read("listen on lo0").Listeners[0].EndPoints.Length);
        Assert.Equal("[::1]:25", Read("listen on lo0 inet6").Listeners[0].EndPoints.Single().ToString());
        Assert.Equal("127.0.0.1:25", Read("listen on lo0 inet4").Listeners[0].EndPoints.Single().ToString());
        Assert.Equal(["0.0.0.0:25", "[::]:25"], Read("listen on all").Listeners[0].EndPoints.Select(each => each.ToString()));
        Assert.Equal("[2001:db8::1]:25", Read("listen on 2001:db8::1").Listeners[0].EndPoints.Single().ToString());
        Assert.Equal("127.0.0.1:10025", Read("listen on 127.0.0.1 port 10025").Listeners[0].EndPoints.Single().ToString());
        Assert.Equal(2, Read("listen on localhost").Listeners[0].EndPoints.Length);
        Assert.Equal("mail.example.org", Read("listen on mail.example.org").Listeners[0].Interface);
    }

    [Fact]
    public void Listener_encryption()
    {
        Assert.Equal(ListenerTls.Offered, Listener("tls pki p").Tls);
        Assert.Equal((ListenerTls.Required, false), (Listener("tls-require pki p").Tls, Listener("tls-require pki p").VerifyClient));
        Assert.True(Listener("tls-require verify pki p").VerifyClient);
        Assert.Equal((ListenerTls.Implicit, true), (Listener("pki p smtps verify ca c").Tls, Listener("pki p smtps verify ca c").VerifyClient));
        ListenerConfiguration both = Listener("tls pki q pki P ca C ciphers \"HIGH\" protocols \"tlsv1.2\"");
        Assert.Equal(["q", "p"], both.Pki.Select(each => each.Name));
        Assert.Equal(("/q.pem", "/q.key", PkiDhe.Auto), (both.Pki[0].CertificatePath, both.Pki[0].KeyPath, both.Pki[0].Dhe));
        Assert.Equal(("/c.pem", "HIGH", "tlsv1.2"), (both.Authority?.CertificatePath, both.Ciphers, both.Protocols));
    }

    [Fact]
    public void Listener_auth()
    {
        Assert.Equal((ListenerAuth.Required, null), (Listener("tls pki p auth").Auth, Listener("tls pki p auth").Credentials));
        Assert.Equal((ListenerAuth.Required, "users"), (Listener("auth <users> smtps pki p").Auth, Listener("auth <users> smtps pki p").Credentials?.Name));
        Assert.Equal((ListenerAuth.Optional, "users"), (Listener("tls pki p auth-optional <users>").Auth, Listener("tls pki p auth-optional <users>").Credentials?.Name));
        Assert.Equal(ListenerAuth.Optional, Listener("auth-optional tls pki p").Auth);
    }

    [Fact]
    public void Listener_names_and_switches()
    {
        ListenerConfiguration read = Listener("hostname h.example.org hostnames <names> senders <users> masquerade mask-src no-dsn proxy-v2 received-auth tag T");
        Assert.Equal(("h.example.org", "names", "users", true), (read.Hostname, read.Hostnames?.Name, read.Senders?.Name, read.Masquerade));
        Assert.Equal((true, true, true, true, "T"), (read.MaskSource, read.NoDsn, read.ProxyV2, read.ReceivedAuth, read.Tag));
        Assert.False(Listener("senders <users>").Masquerade);
    }

    [Fact]
    public void Listener_filters()
    {
        Assert.Equal("f", Listener("filter f").Filter?.Name);
        Assert.Equal("f", Listener("filter \"f\"").Filter?.Name);
        var chain = Assert.IsType<FilterDefinition.Chain>(Listener("filter { f, g }").Filter);
        Assert.Equal(["f", "g"], chain.Members.Select(member => member.Name));
        Assert.Empty(Read("filter f phase connect match rdns bypass\nlisten on lo filter f").UnsupportedFeatures);
    }

    [Fact]
    public void The_socket_listener()
    {
        SocketListenerConfiguration read = Read("filter f phase connect match rdns bypass\nlisten on socket filter f mask-src no-dsn tag here").Socket;
        Assert.Equal(("f", true, true, "here", 2), (read.Filter?.Name, read.MaskSource, read.NoDsn, read.Tag, read.Position.Line));
    }

    [Theory]
    [InlineData("action a", "FromSource:<localhost> ForDomain:<localnames>")]
    [InlineData("from any for any action a", "")]
    [InlineData("for any from any reject", "")]
    [InlineData("! from any ! for any action a", "!FromAny !ForAny")]
    [InlineData("from local for local action a", "FromSource:<localhost> ForDomain:<localnames>")]
    [InlineData("! from local for any action a", "!FromSource:<localhost>")]
    [InlineData("from socket for any action a", "FromSocket")]
    [InlineData("from any for domain example.org action a", "ForDomain:example.org")]
    [InlineData("from any for domain { a.org b.org } action a", "ForDomain:a.org|b.org")]
    [InlineData("from any ! for domain regex \"^a\" action a", "!ForDomain~:^a")]
    [InlineData("from any for rcpt-to \"a@b\" action a", "RcptTo:a@b")]
    [InlineData("from any ! for rcpt-to <m> action a", "!RcptTo:m")]
    [InlineData("from src 192.0.2.0/24 for any action a", "FromSource:192.0.2.0/24")]
    [InlineData("from src regex \"^192\" for any action a", "FromSource~:^192")]
    [InlineData("from rdns for any action a", "FromRdns")]
    [InlineData("from rdns regex \"dyn\" for any action a", "FromRdns~:dyn")]
    [InlineData("! from rdns \"*.dyn.org\" for any action a", "!FromRdns:*.dyn.org")]
    [InlineData("from auth for any action a", "Auth")]
    [InlineData("! from auth joe for any action a", "!Auth:joe")]
    [InlineData("from auth regex \"j.e\" for any action a", "Auth~:j.e")]
    [InlineData("from mail-from { \"@a.org\" } for any action a", "MailFrom:@a.org")]
    [InlineData("from any for any auth action a", "Auth")]
    [InlineData("from any for any auth <m> action a", "Auth:m")]
    [InlineData("from any for any ! auth regex { j } action a", "!Auth~:j")]
    [InlineData("from any for any helo h action a", "Helo:h")]
    [InlineData("from any for any ! helo regex { h } action a", "!Helo~:h")]
    [InlineData("from any for any mail-from <m> action a", "MailFrom:m")]
    [InlineData("from any for any rcpt-to { \"a@b\" \"c@d\" } action a", "RcptTo:a@b|c@d")]
    [InlineData("from any for any tag T action a", "Tag:T")]
    [InlineData("from any for any ! tagged regex \"T\" action a", "!Tag~:T")]
    [InlineData("from any for any tls action a", "Tls")]
    [InlineData("from any for any ! tls reject", "!Tls")]
    [InlineData("rcpt-to r mail-from m tls auth helo h for domain d from src 10.0.0.1 tag t action a", "Tag:t FromSource:10.0.0.1 ForDomain:d Helo:h Auth Tls MailFrom:m RcptTo:r")]
    public void Match_criteria_in_order_of_evaluation(string text, string expected) => Assert.Equal(expected, Shape(Match(text)));

    [Fact]
    public void A_match_has_an_action_or_rejects_and_knows_its_place()
    {
        Assert.Equal("a", Match("for any action a").Action?.Name);
        Assert.True(Match("for any reject").IsReject);
        Assert.Equal("smtpd.conf:3", Match("for any reject").Position.FileAndLine);
        Assert.Equal([TableService.Domain, TableService.MailAddr, TableService.Regex],
            Match("from src regex a for domain d mail-from m action a").Criteria.OrderBy(each => each.Service).Select(each => each.Service));
    }

    [Fact]
    public void Tables_of_every_source()
    {
        var machine = new FakeEnvironment();
        machine.Files["/etc/list"] = "a\nb\n";
        machine.Files["/etc/map"] = "a: b\n";
        machine.Files["/etc/empty"] = "# nothing\n";
        machine.Files["/etc/db.db"] = machine.Files["/etc/passwd"] = "x";
        ServerConfiguration read = machine.Good(
            """
            table t1 "/etc/list"
            table t2 file:/etc/map
            table t3 static:/etc/empty
            table t4 db:/etc/db
            table t5 passwd:/etc/passwd
            table t6 ldap:/etc/ldap.conf
            table t7 ldap
            table t8 proc-exec "/usr/bin/filter -x" user nobody group nogroup chroot "/var/empty" instances 2 timeout 5s
            table t9 { a, b
              c
              , d }
            table t10 { a = b, c => "d e"
              25 = 26 }
            table "senders" { a }
            match from any for domain <t3> reject
            match from any for domain <senders> reject
            """);
        Assert.Equal((TableKind.List, TableSource.File, "/etc/list"), Facts(read, "t1"));
        Assert.Equal((TableKind.Mapping, TableSource.File, "/etc/map"), Facts(read, "t2"));
        Assert.Equal((TableKind.Dynamic, TableSource.File, "/etc/empty"), Facts(read, "t3"));
        Assert.Equal((TableKind.Dynamic, TableSource.Database, "/etc/db"), Facts(read, "t4"));
        Assert.Equal((TableKind.Dynamic, TableSource.Passwd, "/etc/passwd"), Facts(read, "t5"));
        Assert.Equal((TableKind.Dynamic, TableSource.External, "/etc/ldap.conf"), Facts(read, "t6"));
        Assert.Equal((TableKind.Dynamic, TableSource.External, null), Facts(read, "t7"));
        Assert.Equal("ldap", read.Tables["t7"].ExternalType);
        TableDefinition plug = read.Tables["t8"];
        Assert.Equal(("/usr/bin/filter -x", "nobody", "nogroup", "/var/empty", 2, TimeSpan.FromSeconds(5)),
            (plug.Command, plug.User, plug.Group, plug.Chroot, plug.Instances, plug.Timeout));
        Assert.Equal(["a", "b", "c", "d"], read.Tables["t9"].Entries.Select(entry => entry.Key));
        Assert.Equal([new("a", "b", 12), new("c", "d e", 12), new("25", "26", 13)], read.Tables["t10"].Entries);
        Assert.Equal("smtpd.conf:12:1", read.Tables["t10"].Position);
        Assert.Equal(TableSource.LocalNames, read.Tables["<localnames>"].Source);
        Assert.Empty(read.UnsupportedFeatures);

        static (TableKind, TableSource, string?) Facts(ServerConfiguration read, string name) =>
            (read.Tables[name].Kind, read.Tables[name].Source, read.Tables[name].Path);
    }

    [Fact]
    public void External_tables_are_unsupported_where_they_are_used()
    {
        ServerConfiguration read = Read("table x ldap:/l\ntable y sqlite:/s\nmatch from any for domain <x> reject\nmatch from src <x> for any reject");
        Assert.Equal(new UnsupportedFeature(new("smtpd.conf", 3, 27), "external table \"x\""), Assert.Single(read.UnsupportedFeatures));
    }

    [Fact]
    public void Built_in_tables_can_be_named_and_a_table_may_have_the_same_name()
    {
        Assert.Equal("ForDomain:<localnames>", Shape(Match("from any for domain <localnames> action a")));
        Assert.Equal("FromSource:<anyhost> ForDomain:<anydestination>", Shape(Match("from src <anyhost> for domain <anydestination> action a")));
        Assert.Equal("localhost", Read("table localhost { a }\nmatch from src <localhost> for any reject\n".Replace(" a ", " 10.0.0.1 ", StringComparison.Ordinal)).Rules[0].Criteria[0].Table?.Name);
    }

    [Fact]
    public void Builtin_filters()
    {
        var read = Assert.IsType<FilterDefinition.Builtin>(Read("filter f phase rcpt-to match !rdns regex { \"dyn\" } mail-from \"@x.org\" ! fcrdns rcpt-to a@b reject \"550 no\"").Filters["f"]);
        Assert.Equal(FilterPhase.RcptTo, read.Phase);
        Assert.Equal(
            [(FilterSubject.Rdns, true, true), (FilterSubject.MailFrom, false, false), (FilterSubject.Fcrdns, true, false), (FilterSubject.RcptTo, false, false)],
            read.Conditions.Select(each => (each.Subject, each.Negated, each.IsRegex)));
        Assert.Equal(new FilterDecision(FilterVerb.Reject, "550 no"), read.Decision);
    }

    [Theory]
    [InlineData("phase connect match src 10.0.0.0/8 disconnect \"421 later\"", FilterPhase.Connect, FilterVerb.Disconnect)]
    [InlineData("phase helo match helo regex \"^x\" rewrite y", FilterPhase.Helo, FilterVerb.Rewrite)]
    [InlineData("phase ehlo match helo { a b } report \"seen\"", FilterPhase.Ehlo, FilterVerb.Report)]
    [InlineData("phase auth match auth junk", FilterPhase.Auth, FilterVerb.Junk)]
    [InlineData("phase mail-from match auth joe bypass", FilterPhase.MailFrom, FilterVerb.Bypass)]
    [InlineData("phase data match ! rdns reject 450", FilterPhase.Data, FilterVerb.Reject)]
    [InlineData("phase commit match mail-from a@b reject \"550 no\"", FilterPhase.Commit, FilterVerb.Reject)]
    public void Builtin_filters_of_each_phase(string text, FilterPhase phase, FilterVerb verb)
    {
        var read = Assert.IsType<FilterDefinition.Builtin>(Read("filter f " + text).Filters["f"]);
        Assert.Equal((phase, verb), (read.Phase, read.Decision.Verb));
    }

    [Fact]
    public void Filter_programs_and_chains()
    {
        ServerConfiguration read = Read(
            """
            proc p "/usr/bin/filter -a" user nobody instances 3 timeout 10s on-failure bypass
            filter f1 proc p
            filter f2 proc-exec "filter-rspamd" user "_rspamd" group g chroot "/var/empty" on-failure reject
            filter f3 phase connect match rdns bypass
            filter c chain { f1, f2
                f3 }
            """);
        var first = Assert.IsType<FilterDefinition.Program>(read.Filters["f1"]);
        Assert.Equal(new PlugCommand("/usr/bin/filter -a") { User = "nobody", Instances = 3, Timeout = TimeSpan.FromSeconds(10), OnFailure = PlugFailurePolicy.Bypass, Position = new("smtpd.conf", 1, 1) }, first.Process.Command);
        var second = Assert.IsType<FilterDefinition.Program>(read.Filters["f2"]);
        Assert.Equal(("_rspamd", "g", "/var/empty", PlugFailurePolicy.Reject), (second.Process.Command.User, second.Process.Command.Group, second.Process.Command.Chroot, second.Process.Command.OnFailure));
        Assert.Equal(["f1", "f2", "f3"], Assert.IsType<FilterDefinition.Chain>(read.Filters["c"]).Members.Select(each => each.Name));
        Assert.Equal(["f2", "p"], read.FilterProcesses.Keys.Order(StringComparer.Ordinal));
        Assert.Empty(read.UnsupportedFeatures);
    }

    [Fact]
    public void Queue_settings()
    {
        QueueConfiguration read = Read("queue compression\nqueue encryption 0123456789abcdef0123456789abcdef\nqueue ttl 2h").Queue;
        Assert.Equal((true, true, "0123456789abcdef0123456789abcdef", TimeSpan.FromHours(2)), (read.Compression, read.Encryption, read.EncryptionKey, read.Ttl));
        Assert.Equal("stdin", Read("queue encryption").Queue.EncryptionKey);
        Assert.Equal("stdin", Read("queue encryption stdin").Queue.EncryptionKey);
        Assert.Equal("stdin", Read("queue encryption \"-\"").Queue.EncryptionKey);
        Assert.DoesNotContain("0123456789abcdef", read.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("log")]
    [InlineData("fs")]
    [InlineData("sqlite")]
    [InlineData("ram")]
    [InlineData("null")]
    public void Queue_backends(string name) => Assert.Equal(name, Read($"queue backend {name}").Queue.Backend);

    [Fact]
    public void Queue_and_scheduler_programs()
    {
        ServerConfiguration read = Read("queue backend proc-exec \"/usr/bin/filter\" instances 2 timeout 3s\nscheduler backend proc-exec \"/usr/bin/filter\" user nobody");
        Assert.Equal(("proc-exec", 2), (read.Queue.Backend, read.Queue.Plug?.Instances));
        Assert.Equal(("proc-exec", "nobody"), (read.Scheduler.Backend, read.Scheduler.Plug?.User));
        Assert.Equal(["queue backend proc-exec", "scheduler backend proc-exec"], read.UnsupportedFeatures.Select(each => each.What));
        Assert.Equal("null", Read("scheduler backend null").Scheduler.Backend);
        Assert.Equal("ram", Read("scheduler backend ram").Scheduler.Backend);
    }

    [Fact]
    public void Limits_of_local_delivery_scheduler_and_relaying()
    {
        ServerConfiguration read = Read(
            """
            mda limit max-session 1 max-session-per-user 2 task-lowat 3 task-hiwat 4 task-release 5
            scheduler limit max-inflight 6 max-schedule 7 max-evp-batch-size 8 max-msg-batch-size 9
            mta max-deferred 10
            mta limit max-conn-per-host 11 max-conn-per-route 12 max-conn-per-source 13 max-conn-per-connector 14 max-conn-per-relay 15 max-conn-per-domain 16
            mta limit for domain Example.org inet6 session-mail-max 1
            mta limit conn-delay-host 21 conn-delay-route 22 conn-delay-source 23 conn-delay-connector 24 conn-delay-relay 25 conn-delay-domain 26 reconn-delay-route 27
            mta limit inet4 session-mail-max 31 session-transaction-delay 32 session-keepalive 33 max-failures-per-session 34 task-hiwat 35 task-lowat 36 task-release 37
            """);
        Assert.Equal(new MdaLimits { MaxSessions = 1, MaxSessionsPerUser = 2, TaskLowWater = 3, TaskHighWater = 4, TaskRelease = 5 }, read.Mda);
        Assert.Equal(new SchedulerConfiguration { MaxInflight = 6, MaxSchedule = 7, MaxEnvelopeBatch = 8, MaxMessageBatch = 9 }, read.Scheduler);
        Assert.Equal(10, read.Mta.MaxDeferred);
        Assert.Equal(new MtaLimits
        {
            Inet6 = false,
            MaxConnectionsPerHost = 11,
            MaxConnectionsPerRoute = 12,
            MaxConnectionsPerSource = 13,
            MaxConnectionsPerConnector = 14,
            MaxConnectionsPerRelay = 15,
            MaxConnectionsPerDomain = 16,
            ConnectionDelayHost = TimeSpan.FromSeconds(21),
            ConnectionDelayRoute = TimeSpan.FromSeconds(22),
            ConnectionDelaySource = TimeSpan.FromSeconds(23),
            ConnectionDelayConnector = TimeSpan.FromSeconds(24),
            ConnectionDelayRelay = TimeSpan.FromSeconds(25),
            ConnectionDelayDomain = TimeSpan.FromSeconds(26),
            ReconnectDelayRoute = TimeSpan.FromSeconds(27),
            MaxMailsPerSession = 31,
            TransactionDelay = TimeSpan.FromSeconds(32),
            KeepAlive = TimeSpan.FromSeconds(33),
            MaxFailuresPerSession = 34,
            TaskHighWater = 35,
            TaskLowWater = 36,
            TaskRelease = 37,
        }, read.Mta.Limits);
        // A domain starts from what is said before it.
        MtaLimits domain = read.Mta.For("example.ORG");
        Assert.Equal((false, 11, 1, TimeSpan.FromSeconds(5)), (domain.Inet4, domain.MaxConnectionsPerHost, domain.MaxMailsPerSession, domain.ConnectionDelayRoute));
        Assert.Same(read.Mta.Limits, read.Mta.For("other.org"));
    }

    [Fact]
    public void Smtp_settings()
    {
        SmtpConfiguration read = Read(
            """
            smtp ciphers "HIGH"
            smtp max-message-size 50M
            smtp max-line-length 64K
            smtp sub-addr-delim "-"
            smtp limit max-mails 1 max-rcpt 2
            smtp limit max-sessions 3 max-sessions-per-address 4 max-commands 5 max-errors 6 idle-timeout 7s session-timeout 8m
            """).Smtp;
        Assert.Equal(("HIGH", 50L << 20, 65536, '-'), (read.Ciphers, read.MaxMessageSize, read.MaxLineLength, read.SubAddressDelimiter));
        Assert.Equal(new SmtpLimits
        {
            MaxMails = 1,
            MaxRecipients = 2,
            MaxSessions = 3,
            MaxSessionsPerAddress = 4,
            MaxCommands = 5,
            MaxErrors = 6,
            IdleTimeout = TimeSpan.FromSeconds(7),
            SessionTimeout = TimeSpan.FromMinutes(8),
        }, read.Limits);
        Assert.Equal(1000, Read("smtp max-message-size 1000").Smtp.MaxMessageSize);
        Assert.Equal('=', Read("smtp sub-addr-delim =").Smtp.SubAddressDelimiter);
    }

    [Fact]
    public void Srs_settings()
    {
        ServerConfiguration read = Read("srs key new\nsrs key backup old\nsrs ttl 50h");
        Assert.Equal(("new", "old", TimeSpan.FromDays(2)), (read.Srs?.Key, read.Srs?.BackupKey, read.Srs?.Ttl));
        Assert.Equal("srs", Assert.Single(read.UnsupportedFeatures).What);
        Assert.DoesNotContain("new", read.Srs?.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Bounce_admd_and_resolver()
    {
        ServerConfiguration read = Read("bounce warn-interval 2d, 1h, 4h\nadmd example.net\nresolver 127.0.0.1:5353 ::1\nresolver \"[2001:db8::1]:54\", 192.0.2.1");
        Assert.Equal([TimeSpan.FromHours(1), TimeSpan.FromHours(4), TimeSpan.FromDays(2)], read.WarnIntervals);
        Assert.Equal("example.net", read.Admd);
        Assert.Equal(["127.0.0.1:5353", "[::1]:53", "[2001:db8::1]:54", "192.0.2.1:53"], read.Resolvers.Select(each => each.ToString()));
    }

    [Fact]
    public void Macros_and_those_of_the_command_line()
    {
        ServerConfiguration read = new FakeEnvironment().Good(
            "port = 2525\nopts = \"inet4 port $x tag t\"\nname = file\nname = a\naction $name mbox\nlisten on lo inet4 port $port\nmatch action $name",
            new Dictionary<string, string> { ["port"] = "2626" });
        Assert.Equal(2626, read.Listeners[0].EndPoints[0].Port);
        Assert.True(read.Actions.ContainsKey("a"));
    }

    [Fact]
    public void Unused_macros_are_reported_when_asked_for()
    {
        const string Text = "used = a\nunused = b\naction $used mbox\nmatch action a";
        Assert.Empty(new FakeEnvironment().Parse(Text).Diagnostics);
        ConfigurationResult result = new FakeEnvironment().Parse(Text, new Dictionary<string, string> { ["d"] = "x" }, verbose: true);
        Assert.Equal("smtpd.conf:2:1: warning: macro \"unused\" is not used", Assert.Single(result.Diagnostics).ToString());
        Assert.True(result.IsValid);
    }

    [Fact]
    public void Words_of_our_own_are_not_reserved()
    {
        ServerConfiguration read = Read("table backend { instances, timeout, on-failure, resolver }\naction resolver maildir instances\nmatch tag timeout for domain <backend> action resolver");
        Assert.Equal("instances", Assert.IsType<LocalMethod.Maildir>(Assert.IsType<LocalAction>(read.Actions["resolver"]).Method).Path);
        Assert.Equal("timeout", read.Rules[0].Criteria[0].Table?.Entries[0].Key);
    }

    [Fact]
    public void Included_files_are_read_in_place()
    {
        var machine = new FakeEnvironment();
        machine.Files["/etc/mail/a.conf"] = "action a mbox\ninclude \"/etc/mail/b.conf\"\n";
        machine.Files["/etc/mail/b.conf"] = "match for any action a";
        ServerConfiguration read = machine.Good("include \"/etc/mail/a.conf\"\nmatch action a");
        Assert.Equal(["/etc/mail/b.conf:1", "smtpd.conf:2"], read.Rules.Select(rule => rule.Position.FileAndLine));
        // Without an end of line behind it.
        Assert.Equal("a", machine.Good("include \"/etc/mail/a.conf\"").Rules[0].Action?.Name);
    }

    [Fact]
    public void An_include_is_looked_for_beside_its_file_and_then_in_the_working_directory()
    {
        var machine = new FakeEnvironment();
        machine.Files["/etc/mail/smtpd.conf"] = "include \"a.conf\"\ninclude \"b.conf\"\nmatch action a";
        machine.Files["/etc/mail/a.conf"] = "action a mbox\n";
        machine.Files["a.conf"] = "wrong\n";
        machine.Files["b.conf"] = "match for any action a\n";
        ConfigurationResult result = ConfigurationParser.Parse("/etc/mail/smtpd.conf", null, machine);
        Assert.Equal(["b.conf:1", "/etc/mail/smtpd.conf:3"], result.Configuration?.Rules.Select(rule => rule.Position.FileAndLine));
    }
}
