using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>Mail from programs of this machine, by sendmail and the socket.</summary>
public class SubmissionTests
{
    private const string Configuration = """
        listen on socket tag LOCAL mask-src
        listen on 127.0.0.1 port {port}
        table everybody { "@" = "{user}" }
        action "box" maildir "{mail}/%{rcpt.user}" user "{user}" virtual <everybody>
        match tag LOCAL from socket for any action "box"
        """;

    private static string Link(RunningServer server, string name)
    {
        string link = Path.Combine(server.Folder, name);
        File.CreateSymbolicLink(link, SourceTree.Executable);
        return link;
    }

    [Fact]
    public async Task Sendmail_by_state_by_environment_and_by_its_old_name()
    {
        await using RunningServer server = await RunningServer.StartAsync(Configuration);
        Tool state = await Tool.RunAsync(SourceTree.Executable, ["sendmail", "--state", server.State, "-f", "me@example.org", "one@example.org", "two@example.org"], "Subject: by state\n\n.\nbody\n");
        Assert.True(state.ExitCode == 0, state.ToString());
        string mail = await server.ReadMailAsync("one");
        Assert.StartsWith("Return-Path: <me@example.org>\nDelivered-To: one@example.org\nReceived: by ", mail, StringComparison.Ordinal);
        Assert.EndsWith("\n\n.\nbody\n", mail, StringComparison.Ordinal);
        foreach (string field in (string[])["From: ", "Date: ", "Message-ID: "]) Assert.Contains("\n" + field, mail, StringComparison.OrdinalIgnoreCase);
        await server.ReadMailAsync("two");

        Dictionary<string, string> environment = new() { ["POSTHOUSE_STATE"] = server.State };
        Tool link = await Tool.RunAsync(Link(server, "sendmail"), ["-t", "-i", "-F", "Me Myself", "-f", "me@example.org"],
            "To: Three <three@example.org>\nCc: four@example.org\nBcc: five@example.org\nSubject: by link\n\n.\nbody without a line end", environment: environment);
        Assert.True(link.ExitCode == 0, link.ToString());
        foreach (string box in (string[])["three", "four", "five"])
        {
            mail = await server.ReadMailAsync(box);
            Assert.DoesNotContain("Bcc", mail, StringComparison.OrdinalIgnoreCase);
            Assert.Contains("\nFrom: ", mail, StringComparison.Ordinal);
            Assert.Contains("Me Myself", mail, StringComparison.Ordinal);
            Assert.EndsWith("\n.\nbody without a line end\n", mail, StringComparison.Ordinal);
        }

        // The same mail by the network is another matter.
        Assert.StartsWith("550 ", await server.SendAsync("one@example.org"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sendmail_says_why_when_it_cannot()
    {
        await using RunningServer server = await RunningServer.StartAsync(Configuration.Replace("for any", "for domain \"here.example\""));
        Dictionary<string, string> environment = new() { ["POSTHOUSE_STATE"] = server.State, ["HOME"] = server.Folder };
        Tool refused = await Tool.RunAsync(SourceTree.Executable, ["sendmail", "one@far.example"], "Subject: x\n\nbody\n", environment: environment);
        Assert.NotEqual(0, refused.ExitCode);
        Assert.Contains("550", refused.Error, StringComparison.Ordinal);
        Assert.NotEqual(0, (await Tool.RunAsync(SourceTree.Executable, ["sendmail"], "Subject: x\n\nbody\n", environment: environment)).ExitCode);
        await server.StopAsync();
        // With this directory it would wait there.
        string offline = Path.Combine(server.State, "offline");
        if (Directory.Exists(offline)) Directory.Delete(offline, recursive: true);
        Tool stopped = await Tool.RunAsync(SourceTree.Executable, ["sendmail", "one@here.example"], "Subject: x\n\nbody\n", environment: environment);
        Assert.Equal(75, stopped.ExitCode);
        Assert.DoesNotContain("Exception", stopped.Error, StringComparison.Ordinal);
    }
}
