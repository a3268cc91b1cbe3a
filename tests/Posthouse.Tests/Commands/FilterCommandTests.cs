using System.Text;
using System.Text.Json;
using Posthouse.Commands;

namespace Posthouse.Tests.Commands;

/// <summary>Filters in shell script, tried by the command as their authors would.</summary>
public sealed class FilterCommandTests : IDisposable
{
    private const string Mail = "From: a@example.net\nSubject: hello\n\nline one\n.line two\nline three\n";

    private readonly string _directory = Directory.CreateTempSubdirectory("ph-filter-run-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void Who_proceeds_lets_the_mail_in_and_every_line_is_shown()
    {
        (int exit, string output, _) = Run(Filter("register|report|smtp-in|* register|filter|smtp-in|rcpt-to", "filter.rcpt-to) echo asked >&2; result proceed;;"),
            "--from", "me@example.net", "--to", "you@example.org", "--client", "198.51.100.7", "--rdns", "mail.example.net");
        Assert.Equal(0, exit);
        string[] lines = output.Split('\n');
        Assert.Contains("> config|ready", lines);
        Assert.Contains("< register|ready", lines);
        Assert.Contains("! asked", lines);
        Assert.Contains("C: EHLO mail.example.net", lines);
        Assert.Contains("C: RCPT TO:<you@example.org>", lines);
        Assert.Contains("S: 354 Enter mail, end with \".\" on a line by itself", lines);
        Assert.Contains(lines, static line => line.StartsWith("> report|0.7|", StringComparison.Ordinal) && line.EndsWith("|mail.example.net|pass|198.51.100.7:40000|192.0.2.25:25", StringComparison.Ordinal));
        Assert.Contains(lines, static line => line.StartsWith("> filter|0.7|", StringComparison.Ordinal) && line.EndsWith("|you@example.org", StringComparison.Ordinal));
        Assert.Contains(lines, static line => line.StartsWith("< filter-result|", StringComparison.Ordinal) && line.EndsWith("|proceed", StringComparison.Ordinal));
        Assert.Contains(lines, static line => line.Contains("|link-disconnect|", StringComparison.Ordinal));
        Assert.EndsWith("\naccepted\nmessage unchanged\n", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("rcpt-to", "reject|550 5.7.1 not you", "rejected: 550 5.7.1 not you")]
    [InlineData("connect", "reject|554 5.7.1 not here", "rejected: 554 5.7.1 not here")]
    [InlineData("commit", "reject|451 4.7.1 later", "tempfail: 451 4.7.1 later")]
    [InlineData("mail-from", "disconnect|550 5.7.1 go away", "disconnected: 550 5.7.1 go away")]
    [InlineData("ehlo", "reject|421 4.7.0 busy", "disconnected: 421 4.7.0 busy")]
    public void Who_refuses_is_told_with_the_reply(string phase, string decision, string verdict)
    {
        (int exit, string output, _) = Run(Filter($"register|filter|smtp-in|{phase}", $"filter.{phase}) result '{decision}';;"));
        Assert.Equal(1, exit);
        Assert.EndsWith($"\n{verdict}\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Junk_is_accepted_and_marked()
    {
        string target = Path.Combine(_directory, "out.eml");
        (int exit, string output, _) = Run(Filter("register|filter|smtp-in|data", "filter.data) result junk;;"), "--output", target, "--quiet");
        Assert.Equal(0, exit);
        Assert.Equal("junk\nmessage unchanged\n", output);
        Assert.StartsWith("X-Spam: Yes\r\nReceived: ", File.ReadAllText(target), StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_filter_makes_of_the_message_is_shown_and_written_out()
    {
        using MemoryStream message = new();
        (int exit, string output, string error) = Run(Rewriter(), message, "--output", "-");
        Assert.Equal(0, exit);
        Assert.Equal("", output);
        Assert.Contains("\naccepted\nmessage changed:\n@@ line ", error, StringComparison.Ordinal);
        Assert.EndsWith("\n-Subject: hello\n+Subject: [seen] hello\n", error, StringComparison.Ordinal);
        Assert.EndsWith("From: a@example.net\r\nSubject: [seen] hello\r\n\r\nline one\r\n.line two\r\nline three\r\n", Encoding.ASCII.GetString(message.ToArray()), StringComparison.Ordinal);
    }

    [Fact]
    public void Chunks_are_shown_by_their_length()
    {
        string filter = Filter("register|extension|bulk register|filter|smtp-in|data-line",
            "filter.data-bulk) printf 'filter-databulk|%s|%s|%s\\n' \"$6\" \"$7\" \"$8\"; [ \"$8\" = 0 ] || head -c \"$8\";;");
        (int exit, string output, _) = Run(filter);
        Assert.Equal(0, exit);
        Assert.Matches(@"> filter\|0\.7\|[0-9.]+\|smtp-in\|data-bulk\|[0-9a-f]+\|[0-9a-f]+\|[0-9]+ \([0-9]+ bytes\)\n", output);
        Assert.Matches(@"< filter-databulk\|[0-9a-f]+\|[0-9a-f]+\|[0-9]+ \([0-9]+ bytes\)\n", output);
        Assert.EndsWith("\naccepted\nmessage unchanged\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_filter_that_is_killed_within_a_message_is_told_again_and_the_client_does_not_notice()
    {
        using MemoryStream message = new();
        (int exit, _, string output) = Run(Rewriter(), message, "--crash-at", "data-line:3", "--output", "-");
        Assert.Equal(0, exit);
        Assert.Contains("\n* the filter is killed here, at data-line\n* filter sh: pid ", output, StringComparison.Ordinal);
        Assert.Contains("\n> config|replay-until|", output, StringComparison.Ordinal);
        Assert.Contains("\naccepted\nrestarts: 1\nmessage changed:\n", output, StringComparison.Ordinal);
        Assert.Single(output.Split('\n'), static line => line == "C: DATA");
        Assert.EndsWith("From: a@example.net\r\nSubject: [seen] hello\r\n\r\nline one\r\n.line two\r\nline three\r\n", Encoding.ASCII.GetString(message.ToArray()), StringComparison.Ordinal);
    }

    [Fact]
    public void The_next_life_is_told_what_led_to_the_question()
    {
        (int exit, string output, _) = Run(Filter("register|report|smtp-in|* register|filter|smtp-in|rcpt-to", "filter.rcpt-to) result proceed;;"), "--crash-at", "link-identify");
        Assert.Equal(0, exit);
        string later = output[output.IndexOf("> config|replay-until|", StringComparison.Ordinal)..];
        int at = 0;
        foreach (string told in (string[])["|link-connect|", "|link-greeting|", "|link-identify|", "|tx-begin|", "|tx-mail|", "|rcpt-to|", "|tx-commit|", "|link-disconnect|"])
        {
            at = later.IndexOf(told, at, StringComparison.Ordinal);
            Assert.True(at >= 0, told);
        }
        Assert.Contains("\nrestarts: 1\n", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tempfail", 1, "tempfail: 451 ")]
    [InlineData("reject", 1, "rejected: 5")]
    [InlineData("bypass", 0, "accepted\n")]
    public void A_filter_that_always_dies_gets_the_answer_of_on_failure(string policy, int expected, string verdict)
    {
        (int exit, string output, _) = Run(Filter("register|filter|smtp-in|mail-from", "filter.mail-from) result proceed;;"), "--crash-at", "mail-from", "--crash-always", "--on-failure", policy);
        Assert.Equal(expected, exit);
        Assert.Contains("\n" + verdict, output, StringComparison.Ordinal);
        Assert.Equal(2, output.Split('\n').Count(static line => line == "* the filter is killed here, at mail-from"));
    }

    [Fact]
    public void A_script_says_its_lines_and_checks_the_replies()
    {
        string filter = Filter("register|filter|smtp-in|rcpt-to", "filter.rcpt-to) case $8 in spam*) result 'reject|550 5.7.1 no spam';; *) result proceed;; esac;;");
        string script = Write("dialogue", """
            # The banner comes first.
            expect 220
            EHLO client.example.net
            expect 250
            STARTTLS
            expect 220
            EHLO client.example.net
            MAIL FROM:<>
            RCPT TO:<spam@example.org>
            expect 550 no spam
            RCPT TO:<you@example.org>
            expect 250
            DATA
            expect 354
            .mail
            expect 250 Message accepted
            RSET
            expect 250
            QUIT
            expect 221
            expect closed
            """);
        (int exit, string output, string error) = Run(filter, "--script", script);
        Assert.Equal("", error);
        Assert.Equal(0, exit);
        Assert.Contains("C: (tls1", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("EHLO x\nexpect 2\n", "2: expect a reply")]
    [InlineData("# all of it\n.data\n", "2: .data is unknown")]
    public void A_script_that_is_none_is_not_begun(string text, string problem)
    {
        string script = Write("dialogue", text);
        (int exit, string output, string error) = Run("cat", "--script", script);
        Assert.Equal(2, exit);
        Assert.Equal("", output);
        Assert.StartsWith($"filter run: {script}:{problem}", error, StringComparison.Ordinal);
    }

    [Fact]
    public void An_expectation_that_is_not_met_is_named_by_its_line()
    {
        string script = Write("dialogue", "EHLO client.example.net\nMAIL FROM:<a@example.net>\nexpect 550\n");
        (int exit, string output, string error) = Run(Filter("register|filter|smtp-in|mail-from", "filter.mail-from) result proceed;;"), "--script", script, "--json");
        Assert.Equal(1, exit);
        Assert.Equal($"filter run: {script}:3: expected 550, got 250 2.0.0 Ok\n", error);
        using JsonDocument json = JsonDocument.Parse(output);
        Assert.Equal(3, json.RootElement.GetProperty("scriptLine").GetInt32());
    }

    [Fact]
    public void With_json_there_is_one_object()
    {
        (int exit, string output, _) = Run(Filter("register|filter|smtp-in|rcpt-to", "filter.rcpt-to) result 'reject|550 5.7.1 not you';;"), "--json", "--tls", "--client", "local");
        Assert.Equal(1, exit);
        using JsonDocument json = JsonDocument.Parse(output);
        Assert.Equal("rejected", json.RootElement.GetProperty("verdict").GetString());
        Assert.Equal("550 5.7.1 not you", json.RootElement.GetProperty("reply").GetString());
        Assert.False(json.RootElement.GetProperty("junk").GetBoolean());
        Assert.Equal(0, json.RootElement.GetProperty("restarts").GetInt32());
        Assert.Contains("> config|ready", output, StringComparison.Ordinal);
        Assert.Contains(json.RootElement.GetProperty("lines").EnumerateArray(), static line => line.GetString() == "C: STARTTLS");
    }

    [Fact]
    public void A_mail_that_only_some_may_get_is_accepted_and_the_others_are_named()
    {
        string filter = Filter("register|filter|smtp-in|rcpt-to", "filter.rcpt-to) case $8 in spam*) result 'reject|550 5.7.1 no spam';; *) result proceed;; esac;;");
        (int exit, string output, _) = Run(filter, "--to", "spam@example.org", "--to", "you@example.org", "--quiet");
        Assert.Equal(0, exit);
        Assert.Equal("accepted\nrefused: spam@example.org: 550 5.7.1 no spam\nmessage unchanged\n", output);
    }

    [Theory]
    [InlineData("no-such-filter", "the filter cannot be started: no-such-filter: execve: No such file or directory")]
    [InlineData("sh -c 'exit 3'", "the filter ended (exit code 3) before it said register|ready")]
    [InlineData("sh -c 'echo hello; cat'", "the filter cannot be used: it said before register|ready: hello")]
    public void A_filter_that_never_gets_ready_is_another_matter(string command, string why)
    {
        (int exit, _, string error) = Run(command);
        Assert.Equal(2, exit);
        Assert.Equal($"filter run: {why}\n", error);
    }

    [Theory]
    [InlineData("the command is missing", "--mail", "x")]
    [InlineData("--mail FILE is missing", "cat")]
    [InlineData("one command, in quotes if it has arguments, not 2: cat more", "cat", "more", "--mail", "x")]
    [InlineData("--crash-at EVENT or EVENT:N", "cat", "--mail", "x", "--crash-at", "dataline")]
    [InlineData("--crash-at EVENT or EVENT:N", "cat", "--mail", "x", "--crash-at", "data-line:0")]
    [InlineData("--crash-always needs --crash-at", "cat", "--mail", "x", "--crash-always")]
    [InlineData("--timeout does not take 'soon'", "cat", "--mail", "x", "--timeout", "soon")]
    [InlineData("--to needs a value", "cat", "--mail", "x", "--to")]
    [InlineData("unknown option --too", "cat", "--mail", "x", "--too", "y")]
    public void Misuse_is_explained(string problem, params string[] arguments)
    {
        TestTerminal terminal = new();
        Assert.Equal(2, FilterCommand.Run(["run", .. arguments], terminal.Terminal));
        Assert.StartsWith($"filter run: {problem}", terminal.Error, StringComparison.Ordinal);
        Assert.Contains("usage: posthouse filter run", terminal.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_mail_that_is_not_there_is_named()
    {
        TestTerminal terminal = new();
        Assert.Equal(2, FilterCommand.Run(["run", "cat", "--mail", Path.Combine(_directory, "none.eml")], terminal.Terminal));
        Assert.Contains("none.eml", terminal.Error, StringComparison.Ordinal);
    }

    // Puts a word into the subject, line by line.
    private string Rewriter() => Filter("register|report|smtp-in|tx-begin register|filter|smtp-in|data-line", """
        filter.data-line)
              text=${line#*'|'*'|'*'|'*'|'*'|'*'|'*'|'}
              case $text in 'Subject: '*) text="Subject: [seen] ${text#Subject: }";; esac
              printf 'filter-dataline|%s|%s|%s\n' "$6" "$7" "$text";;
        """);

    private string Filter(string registers, string cases) => "sh " + Write("filter.sh", $$"""
        result() { printf 'filter-result|%s|%s|%s\n' "$session" "$token" "$1"; }
        while IFS= read -r line; do
          IFS='|'; set -f; set -- $line; unset IFS
          session=$6; token=$7
          case $1.$5 in
            {{cases}}
          esac
          if [ "$line" = 'config|ready' ]; then
            for each in {{registers.Replace("|", "\\|", StringComparison.Ordinal).Replace("*", "\\*", StringComparison.Ordinal)}} 'register|ready'; do echo "$each"; done
          fi
        done
        """);

    private string Write(string name, string text)
    {
        string path = Path.Combine(_directory, name);
        File.WriteAllText(path, text);
        return path;
    }

    private (int Exit, string Output, string Error) Run(string command, params string[] options) => Run(command, Stream.Null, options);

    private (int Exit, string Output, string Error) Run(string command, Stream bytes, params string[] options)
    {
        TestTerminal terminal = new();
        int exit = FilterCommand.Run(["run", command, "--mail", Write("mail.eml", Mail), .. options], terminal.Terminal with { Bytes = bytes });
        return (exit, terminal.Output, terminal.Error);
    }
}
