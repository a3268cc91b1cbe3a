using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests.Filters;

/// <summary>The filters of extras/filters that are scripts, run as an administrator runs them: by their path.</summary>
public class ExampleFilterTests
{
    public static MatrixTheoryData<string, bool> Modes { get; } = new(["py", "php"], [false, true]);

    [Theory, MemberData(nameof(Modes))]
    public async Task Leet_alters_the_text_and_not_the_header(string language, bool bulk)
    {
        FilterAnswers answers = await new FilterDialogue(bulk).Configure().Connect("a")
            .Mail("a", "Subject: a test\nContent-Type: multipart/mixed; boundary=east\n\n.Elite text \u00e9\n\n--east--\n").WithAsync(Example("leet", language));

        Assert.Equal("Subject: a test\nContent-Type: multipart/mixed; boundary=east\n\n.3l173 73x7 \u00e9\n\n--east--\n", answers.Message("a"));
        Assert.Equal((0, "", "a|c|proceed"), (answers.ExitCode, answers.Log, Assert.Single(answers.Results)));
    }

    [Theory, MemberData(nameof(Modes))]
    public async Task Word_refuses_mail_that_contains_it(string language, bool bulk)
    {
        FilterAnswers answers = await new FilterDialogue(bulk).Configure().Connect("a")
            .Mail("a", "Subject: x\n\nno sp.ms here, nor spams\n", "1").Mail("a", "Subject: SP.M!\n\nx\n", "2").Mail("a", "Subject: x\n\n\u00e9sp.m\n", "3").Mail("a", "sp.m\n", "4")
            .WithAsync(Example("word", language), "sp.m");

        const string Refused = "a|c|reject|550 5.7.1 We do not say that word here";
        Assert.Equal(["a|c|proceed", Refused, "a|c|proceed", Refused], answers.Results);
    }

    [Theory, MemberData(nameof(Modes))]
    public async Task Trace_writes_down_what_it_is_told(string language, bool bulk)
    {
        string file = Path.Combine(Directory.CreateTempSubdirectory("posthouse-trace-filter-").FullName, "trace");
        FilterDialogue dialogue = new FilterDialogue(bulk).Configure("config|replay-until|1600000000.000000")
            .Report("link-connect", "a", "<unknown>|fail|192.0.2.1:4711|192.0.2.2:25", time: "1500000000.000000").Ask("connect", "a", "1", "<unknown>|192.0.2.1").Ask("auth", "a", "2", "PLAIN c2VjcmV0")
            .Report("tx-mail", "a", "12345678|ok|a|b@example.org").Ask("quit", "a", "3").Report("protocol-server", "b", "220 \u00e9 ready", "smtp-out").Mail("a", "Subject: x\n\n.\u00ff\n").Report("link-disconnect", "a");
        try
        {
            FilterAnswers answers = await dialogue.WithAsync(Example("trace", language), file);
            FilterAnswers logged = await dialogue.WithAsync(Example("trace", language));

            const string Session = "000000000000000a ";
            string[] expected =
                [Session + "replayed link-connect <unknown> fail 192.0.2.1:4711 192.0.2.2:25", Session + "request connect <unknown> 192.0.2.1", Session + "request auth PLAIN ********",
                Session + "event tx-mail 12345678 ok a|b@example.org", Session + "request quit", "000000000000000b event protocol-server 220 \u00e9 ready",
                Session + "message Subject: x", Session + "message ", Session + "message .\u00ff", Session + "request commit", Session + "event link-disconnect"];
            Assert.Equal(expected, await File.ReadAllLinesAsync(file, System.Text.Encoding.Latin1));
            Assert.Equal("", answers.Log);
            Assert.Equal(expected, logged.Log.TrimEnd('\n').Split('\n'));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
            Assert.Equal(["a|1|proceed", "a|2|proceed", "a|3|proceed", "a|c|proceed"], answers.Results);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
        }
    }

    [Theory]
    [InlineData("python", "py"), InlineData("php", "php")]
    public async Task The_first_filter_of_the_tutorial_is_one(string language, string ending)
    {
        string[] tutorial = await File.ReadAllLinesAsync(Path.Combine(SourceTree.Root, "docs", "filters", language + ".md"));
        string folder = Directory.CreateTempSubdirectory("posthouse-tutorial-").FullName;
        try
        {
            string script = Path.Combine(folder, "nospam." + ending), bridge = $"posthouse.{ending}";
            await File.WriteAllLinesAsync(script, tutorial.SkipWhile(line => line != "```" + language).Skip(1).TakeWhile(line => line != "```"));
            File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserExecute);
            File.Copy(Path.Combine(SourceTree.Root, "extras", "bridges", language, bridge), Path.Combine(folder, bridge));

            FilterAnswers answers = await new FilterDialogue().Configure().Connect("a").Ask("rcpt-to", "a", "1", "spam@example.net").Ask("rcpt-to", "a", "2", "me@example.net").WithAsync(script);

            Assert.Equal(["a|1|reject|550 5.7.1 no spam", "a|2|proceed"], answers.Results);
            Assert.Equal(["report|smtp-in|link-connect", "report|smtp-in|link-disconnect", "filter|smtp-in|rcpt-to"], answers.Registered);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Example(string name, string language) => Path.Combine(SourceTree.Root, "extras", "filters", name, $"{name}.{language}");
}
