using Posthouse.Server.Native;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>Every way of local delivery, through the whole server.</summary>
public class LocalDeliveryTests
{
    private const string People = """
        listen on 127.0.0.1 port {port}
        table people { joe = "{uid}:{gid}:{home}", ann = "{uid}:{gid}:{home}" }

        """;

    [Fact]
    public async Task Maildir_with_specifiers_substrings_and_modifiers()
    {
        await using RunningServer server = await RunningServer.StartAsync(People + """
            action "x" maildir "{mail}/%{dest.domain}/%{user.username}/%{rcpt.user[0:2]:uppercase}/%{sender:lowercase}/%{rcpt.user:strip|uppercase}" userbase <people>
            match from any for any action "x"
            """);
        await server.AcceptAsync("joe+Tag@box.example", from: "Me!x@Example.ORG");
        Assert.StartsWith("Return-Path: <Me!x@Example.ORG>\nDelivered-To: joe+Tag@box.example\n", await server.ReadMailAsync("box.example/joe/JOE/me:x@example.org/JOE"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Maildir_of_the_user_with_junk_and_sub_address_folders()
    {
        await using RunningServer server = await RunningServer.StartAsync(People + """
            action "x" maildir junk userbase <people>
            match from any for any action "x"
            """);
        await server.AcceptAsync("joe@example.com", "Subject: ham\n\nX-Spam: yes");
        await server.ReadMailAsync(server.Home + "/Maildir");
        await server.AcceptAsync("joe@example.com", "X-Spam: Yes\nSubject: spam\n\nbody");
        Assert.Contains("Subject: spam", await server.ReadMailAsync(server.Home + "/Maildir/.Junk"), StringComparison.Ordinal);
        await server.AcceptAsync("joe+lists@example.com", "Subject: no folder yet\n\nbody");
        await server.WaitForMailAsync(server.Home + "/Maildir", 2);
        string folder = Directory.CreateDirectory(server.Home + "/Maildir/.lists").FullName;
        if (SystemAccounts.IsRoot) Assert.Equal(0, FileDescriptor.ChangeOwner(folder, server.Account.Uid, server.Account.Gid));
        await server.AcceptAsync("joe+lists@example.com", "Subject: list\n\nbody");
        Assert.Contains("Subject: list", await server.ReadMailAsync(folder), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_maildir_path_never_leaves_where_the_configuration_put_it()
    {
        await using RunningServer server = await RunningServer.StartAsync("""
            listen on 127.0.0.1 port {port}
            table everybody { "@" = "{user}" }
            action "x" maildir "{mail}/in/%{rcpt.user}" user "{user}" virtual <everybody>
            match from any for any action "x"
            """);
        // A slash in a local part is legal; it must not become a way up.
        string reply = await server.SendAsync("../../../../escape@example.com");
        if (!reply.StartsWith('5')) await server.SendAsync("\"../../escape\"@example.com");
        await server.AcceptAsync("plain@example.com");
        await server.ReadMailAsync("in/plain");
        Assert.All(Directory.GetDirectories(server.Folder, "*escape*", SearchOption.AllDirectories), path => Assert.StartsWith(server.Mail + "/in/", path, StringComparison.Ordinal));
        Assert.False(Directory.Exists(Path.GetFullPath("../escape", server.Folder)));
    }

    [Fact]
    public async Task Mbox_is_the_system_mailbox_of_the_user()
    {
        string name = "pt" + Guid.NewGuid().ToString("N")[..12];
        string mailbox = $"/var/mail/{name}";
        try
        {
            await using RunningServer server = await RunningServer.StartAsync($$"""
                listen on 127.0.0.1 port {port}
                table people { {{name}} = "{uid}:{gid}:{home}" }
                action "x" mbox userbase <people>
                match from any for any action "x"
                """);
            await server.AcceptAsync($"{name}@example.com", "Subject: one\n\nFrom the start\n>From before");
            if (!SystemAccounts.IsRoot)
            {
                // Only root may make a mailbox there: for everybody else that is a delivery to be tried again.
                await server.WaitForLogAsync("result=TempFail");
                return;
            }

            await server.AcceptAsync($"{name}@example.com", "Subject: two\n\nbody");
            string text = await server.WaitForFileAsync(mailbox, content => content.Contains("Subject: one", StringComparison.Ordinal) && content.Contains("Subject: two", StringComparison.Ordinal) && content.EndsWith("\n\n", StringComparison.Ordinal));
            Assert.StartsWith("From me@example.org ", text, StringComparison.Ordinal);
            Assert.Contains("\n>From the start\n", text, StringComparison.Ordinal);
            Assert.Equal(0, FileDescriptor.Status(mailbox, out FileStatus status));
            Assert.Equal((server.Account.Uid, 0x180u), (status.Uid, status.Permissions));
        }
        finally
        {
            File.Delete(mailbox);
        }
    }

    [Fact]
    public async Task Commands_plain_and_with_shell_syntax_and_wrapped()
    {
        await using RunningServer server = await RunningServer.StartAsync(People + """
            mda wrapper "seal" "sh -c 'cat > {home}/wrapped; printf %s \"$1\" > {home}/inner' sh %{mda}"
            action "plain" mda "/usr/bin/install -m 600 /dev/stdin {home}/plain-%{rcpt.user}" userbase <people>
            action "shell" mda "cat > {home}/shell; echo \"%{sender} $EXTENSION $USER\" >> {home}/shell" userbase <people>
            action "sealed" mda "/bin/true %{rcpt}" userbase <people> wrapper "seal"
            match from any for domain "plain.example" action "plain"
            match from any for domain "shell.example" action "shell"
            match from any for domain "sealed.example" action "sealed"
            """);
        await server.AcceptAsync("joe@plain.example");
        Assert.EndsWith("\nbody\n", await server.WaitForFileAsync(server.Home + "/plain-joe"), StringComparison.Ordinal);
        await server.AcceptAsync("joe+x@shell.example", from: "a`touch${IFS}{home}/pwned`@example.org");
        Assert.EndsWith("body\na`touch${IFS}{home}/pwned`@example.org x joe\n".Replace("`", ":").Replace("${IFS}", "::IFS:").Replace("{home}", ":home:"),
            await server.WaitForFileAsync(server.Home + "/shell", text => text.EndsWith("joe\n", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.False(File.Exists(server.Home + "/pwned"));
        await server.AcceptAsync("joe@sealed.example");
        Assert.EndsWith("\nbody\n", await server.WaitForFileAsync(server.Home + "/wrapped"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pipes_files_includes_and_errors_of_aliases()
    {
        await using RunningServer server = await RunningServer.StartAsync(People + """
            table aliases file:{dir}/aliases
            action "x" maildir userbase <people> alias <aliases>
            match from any for any action "x"
            """, prepare: server =>
        {
            File.WriteAllText(server.Folder + "/list", "# the list\njoe\nann, \"|cat > {home}/from-list\"\n".Replace("{home}", server.Home));
            File.WriteAllText(server.Folder + "/aliases", server.Fill("""
                piped: "|cat > {home}/piped"
                filed: {home}/filed
                list: :include:{dir}/list
                gone: :error:550 5.1.6 moved away
                busy: error:450 come back
                many: joe, ann, filed
                joe+special: piped
                loop: pool
                pool: loop

                """));
        });
        await server.AcceptAsync("piped@example.com");
        Assert.EndsWith("\nbody\n", await server.WaitForFileAsync(server.Home + "/piped"), StringComparison.Ordinal);
        await server.AcceptAsync("filed@example.com");
        Assert.StartsWith("From me@example.org ", await server.WaitForFileAsync(server.Home + "/filed"), StringComparison.Ordinal);
        await server.AcceptAsync("list@example.com", "Subject: to the list\n\nbody");
        await server.WaitForMailAsync(server.Home + "/Maildir", 2);
        await server.WaitForFileAsync(server.Home + "/from-list");
        Assert.StartsWith("550 5.1.6 moved away", await server.SendAsync("gone@example.com"), StringComparison.Ordinal);
        Assert.StartsWith("450 ", await server.SendAsync("busy@example.com"), StringComparison.Ordinal);
        await server.AcceptAsync("MANY@example.com");
        await server.WaitForMailAsync(server.Home + "/Maildir", 4);
        File.Delete(server.Home + "/piped");
        await server.AcceptAsync("joe+special@example.com");
        await server.WaitForFileAsync(server.Home + "/piped");
        Assert.StartsWith("5", await server.SendAsync("loop@example.com"), StringComparison.Ordinal);
        Assert.StartsWith("550 5.1.1 Invalid recipient: <stranger@example.com>", await server.SendAsync("stranger@example.com"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_forward_file_is_obeyed_when_it_is_safe()
    {
        await using RunningServer server = await RunningServer.StartAsync(People + """
            action "x" maildir userbase <people>
            match from any for any action "x"
            """);
        string forward = server.Home + "/.forward";
        server.WriteOwn(forward, "joe, \"|cat > piped\", {home}/archive\n".Replace("{home}", server.Home));
        await server.AcceptAsync("joe@example.com");
        await server.ReadMailAsync(server.Home + "/Maildir");
        Assert.EndsWith("\nbody\n", await server.WaitForFileAsync(server.Home + "/piped"), StringComparison.Ordinal);
        await server.WaitForFileAsync(server.Home + "/archive");
        Assert.Equal(0, FileDescriptor.Status(server.Home + "/piped", out FileStatus status));
        Assert.Equal(server.Account.Uid, status.Uid);

        File.SetUnixFileMode(forward, (UnixFileMode)0b110_110_110);
        string reply = await server.SendAsync("joe@example.com");
        Assert.True(reply[0] is '4' or '2', reply);
        await server.WaitForLogAsync(".forward of joe is not obeyed");
    }

    [Fact]
    public async Task Expand_only_and_forward_only_take_what_expands()
    {
        await using RunningServer server = await RunningServer.StartAsync(People + """
            table aliases { list = "joe@box.example", self = "joe", away = "ann@box.example" }
            action "box" maildir userbase <people>
            action "expand" expand-only userbase <people> alias <aliases>
            action "forward" forward-only userbase <people> alias <aliases>
            match from any for domain "box.example" action "box"
            match from any for domain "expand.example" action "expand"
            match from any for domain "forward.example" action "forward"
            """);
        await server.AcceptAsync("list@expand.example");
        await server.WaitForMailAsync(server.Home + "/Maildir", 1);
        await server.AcceptAsync("away@forward.example");
        await server.WaitForMailAsync(server.Home + "/Maildir", 2);
        Assert.StartsWith("5", await server.SendAsync("joe@expand.example"), StringComparison.Ordinal);
        Assert.StartsWith("5", await server.SendAsync("self@expand.example"), StringComparison.Ordinal);
        Assert.StartsWith("4", await server.SendAsync("joe@forward.example"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_message_that_was_here_already_is_bounced_not_looped()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        await server.AcceptAsync("you@example.com", "Delivered-To: you@example.com\nSubject: again\n\nbody");
        Assert.Contains("result=PermFail", await server.WaitForLogAsync("mda delivery"), StringComparison.Ordinal);
        await server.ReadMailAsync("me");
    }
}
