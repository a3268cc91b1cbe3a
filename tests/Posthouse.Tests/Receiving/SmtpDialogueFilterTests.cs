using System.Text;
using CsCheck;
using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Server.Configuration;
using Posthouse.Server.Filtering;
using Posthouse.Server.Receiving;
using Posthouse.Wire;

namespace Posthouse.Tests.Receiving;

public class SmtpDialogueFilterTests
{
    private const string Plain = "AGEAYg==";

    private static readonly SessionProfile s_without = new()
    {
        ServerName = "mx.example.org",
        Tls = ListenerTls.Offered,
        Auth = ListenerAuth.Optional,
        MaxMessageSize = 1000,
        Limits = new() { MaxErrors = 3, MaxRecipients = 3 },
    };

    private static readonly SessionProfile s_with = s_without with
    {
        Filters = FilterChain.Create(new FilterDefinition.Chain([]) { Name = "nobody" }, null!, static _ => throw new InvalidOperationException("there are no programs"),
            new() { Admd = "mx.example.org", SpoolDirectory = "", Time = TimeProvider.System, Logger = NullLogger.Instance }),
    };

    private static readonly string[] s_lines =
    [
        "HELO a", "EHLO a", "EHLO", "MAIL FROM:<a@b>", "MAIL FROM:<>", "MAIL", "RCPT TO:<a@b>", "RCPT TO:<a>", "RCPT TO:<>", "DATA", "BDAT 10", "BDAT 10 LAST", "BDAT x",
        "RSET", "NOOP", "QUIT", "STARTTLS", "AUTH PLAIN", $"AUTH PLAIN {Plain}", "AUTH LOGIN", "AUTH LOGIN YQ==", "AUTH X", "YQ==", "*", "\0", "VRFY a",
    ];

    private static readonly FilterVerdict[] s_verdicts = [default, default, new(new SmtpReply(550, "no")), new(new SmtpReply(421, "no"), Closes: true), new(Rewritten: "x@y"), new(Rewritten: "\n")];

    private static SessionStep Say(SmtpDialogue dialogue, string line) => dialogue.Execute(Encoding.UTF8.GetBytes(line));

    // Says lines to which the filters have no objection; all but the last succeed.
    private static (SmtpDialogue Dialogue, SessionStep Step) After(params string[] lines)
    {
        SmtpDialogue dialogue = new(s_with, "mx.example.org", "192.0.2.1");
        SessionStep step = default;
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i] == "TLS")
                dialogue.Encrypted();
            else
                step = Say(dialogue, lines[i]);
            if (i == lines.Length - 1 || step.Action != SessionAction.Ask)
                continue;
            step = dialogue.Decide(default);
            Do(dialogue, step, succeeds: true);
        }
        return (dialogue, step);
    }

    // What a driver does.
    private static void Do(SmtpDialogue dialogue, SessionStep step, bool succeeds)
    {
        SmtpReply? failure = succeeds ? null : new(451, "no");
        switch (step.Action)
        {
            case SessionAction.JudgeSender: dialogue.DecideMail(failure); break;
            case SessionAction.JudgeRecipient: dialogue.DecideRecipient(failure); break;
            case SessionAction.TakeContent: dialogue.EndMessage(); break;
            case SessionAction.TakeChunk when dialogue.Chunk.IsLast: dialogue.EndMessage(); break;
            case SessionAction.TakeChunk: dialogue.EndChunk(failure); break;
            case SessionAction.StartTls: dialogue.Encrypted(); break;
            case SessionAction.CheckCredentials: dialogue.DecideCredentials(succeeds); break;
        }
    }

    [Theory]
    [InlineData(FilterPhase.Helo, "a", SessionAction.Reply, 250, "HELO a")]
    [InlineData(FilterPhase.Ehlo, "[192.0.2.1]", SessionAction.Reply, 250, "EHLO [192.0.2.1]")]
    [InlineData(FilterPhase.StartTls, "", SessionAction.StartTls, 220, "STARTTLS")]
    [InlineData(FilterPhase.Auth, "plain AGEAYg==", SessionAction.CheckCredentials, 0, "TLS", "EHLO a", "AUTH plain AGEAYg==")]
    [InlineData(FilterPhase.Auth, "LOGIN", SessionAction.Reply, 334, "TLS", "EHLO a", "AUTH LOGIN")]
    [InlineData(FilterPhase.MailFrom, "a@b", SessionAction.JudgeSender, 0, "HELO a", "MAIL FROM:<a@b> SIZE=10")]
    [InlineData(FilterPhase.MailFrom, "", SessionAction.JudgeSender, 0, "HELO a", "MAIL FROM:<>")]
    [InlineData(FilterPhase.MailFrom, "A", SessionAction.JudgeSender, 0, "HELO a", "MAIL FROM: <A>")]
    [InlineData(FilterPhase.MailFrom, "\"a>b\"@c", SessionAction.JudgeSender, 0, "HELO a", "MAIL FROM:<\"a>b\"@c>")]
    [InlineData(FilterPhase.RcptTo, "c@d", SessionAction.JudgeRecipient, 0, "HELO a", "MAIL FROM:<a@b>", "RCPT TO:<@x,@y:c@d> NOTIFY=NEVER")]
    [InlineData(FilterPhase.Data, "", SessionAction.TakeContent, 354, "HELO a", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA")]
    [InlineData(FilterPhase.Data, "", SessionAction.TakeChunk, 0, "HELO a", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "BDAT 10")]
    [InlineData(FilterPhase.Rset, "", SessionAction.Reply, 250, "RSET")]
    [InlineData(FilterPhase.Noop, "", SessionAction.Reply, 250, "NOOP x")]
    [InlineData(FilterPhase.Quit, "", SessionAction.Close, 221, "QUIT")]
    public void A_good_command_is_asked_about_and_then_done(FilterPhase phase, string parameter, SessionAction action, int code, params string[] lines)
    {
        (SmtpDialogue dialogue, SessionStep step) = After(lines);
        Assert.Equal(new(SessionAction.Ask), step);
        Assert.Equal((phase, parameter), dialogue.Question);
        step = dialogue.Decide(default);
        Assert.Equal((action, code), (step.Action, step.Reply?.Code ?? 0));
        Assert.Throws<InvalidOperationException>(() => dialogue.Decide(default));
    }

    [Theory]
    [InlineData(501, "EHLO ()")]
    [InlineData(503, "MAIL FROM:<a@b>")]
    [InlineData(553, "HELO a", "MAIL FROM:<@>")]
    [InlineData(552, "HELO a", "MAIL FROM:<a@b> SIZE=2000")]
    [InlineData(503, "HELO a", "RCPT TO:<a@b>")]
    [InlineData(503, "HELO a", "MAIL FROM:<a@b>", "DATA")]
    [InlineData(538, "EHLO a", "AUTH PLAIN")]
    [InlineData(504, "TLS", "EHLO a", "AUTH CRAM-MD5")]
    [InlineData(503, "TLS", "STARTTLS")]
    [InlineData(214, "HELP")]
    [InlineData(252, "VRFY a")]
    public void Nobody_is_asked_about_what_is_wrong_or_does_nothing(int code, params string[] lines) =>
        Assert.Equal((SessionAction.Reply, code), (After(lines).Step.Action, After(lines).Step.Reply?.Code ?? 0));

    [Theory]
    [InlineData("HELO a")]
    [InlineData("STARTTLS")]
    [InlineData("TLS", "EHLO a", "AUTH PLAIN AGEAYg==")]
    [InlineData("HELO a", "MAIL FROM:<a@b>")]
    [InlineData("HELO a", "MAIL FROM:<a@b>", "RCPT TO:<c@d>")]
    [InlineData("HELO a", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA")]
    [InlineData("HELO a", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "RSET")]
    [InlineData("NOOP")]
    [InlineData("QUIT")]
    public void A_refused_command_leaves_everything_as_it_was(params string[] lines)
    {
        (SmtpDialogue dialogue, _) = After(lines);
        (string, bool, int, bool, string?) before = (dialogue.Helo, dialogue.HasMail, dialogue.Recipients, dialogue.IsEncrypted, dialogue.User);
        SmtpReply no = new(550, "no");
        Assert.Equal(new(SessionAction.Reply, no), dialogue.Decide(new(no)));
        Assert.Equal(before, (dialogue.Helo, dialogue.HasMail, dialogue.Recipients, dialogue.IsEncrypted, dialogue.User));
        Assert.Equal(SessionAction.Ask, Say(dialogue, "NOOP").Action);
        dialogue.Decide(default);
        Assert.Equal(SessionAction.Ask, Say(dialogue, lines[^1]).Action);
        Assert.Equal(new(SessionAction.Close, no), dialogue.Decide(new(no, Closes: true)));
    }

    [Theory]
    [InlineData("HELO a", "b.example", SessionAction.Reply, 250)]
    [InlineData("EHLO a", "b example", SessionAction.Reply, 501)]
    [InlineData("STARTTLS", "", SessionAction.Reply, 501)]
    [InlineData("NOOP", "x", SessionAction.Reply, 250)]
    public void A_rewritten_parameter_is_checked_as_the_client_s_is(string line, string value, SessionAction action, int code)
    {
        (SmtpDialogue dialogue, _) = After(line);
        SessionStep step = dialogue.Decide(new(Rewritten: value));
        Assert.Equal((action, code), (step.Action, step.Reply!.Code));
        Assert.Equal(value == "b.example" ? value : "", dialogue.Helo);
    }

    [Theory]
    [InlineData("<x@y> RET=HDRS", "x@y", 0, DsnReturn.Headers)]
    [InlineData("x@y", "x@y", 0, DsnReturn.Unspecified)]
    [InlineData("<>", "", 0, DsnReturn.Unspecified)]
    [InlineData("", "", 0, DsnReturn.Unspecified)]
    [InlineData("<x@y> SIZE=2000", "a@b", 552, DsnReturn.Unspecified)]
    [InlineData("<x@y> WHAT", "a@b", 555, DsnReturn.Unspecified)]
    [InlineData("x y", "a@b", 553, DsnReturn.Unspecified)]
    public void A_rewritten_sender_takes_the_parameters_with_it(string value, string address, int code, DsnReturn returns)
    {
        (SmtpDialogue dialogue, _) = After("HELO a", "MAIL FROM:<a@b> RET=FULL SIZE=10");
        SessionStep step = dialogue.Decide(new(Rewritten: value));
        Assert.Equal((code == 0 ? SessionAction.JudgeSender : SessionAction.Reply, code), (step.Action, step.Reply?.Code ?? 0));
        Assert.Equal(address, dialogue.Address);
        if (code == 0)
            Assert.Equal((address, returns, 0), (dialogue.Mail.Sender?.ToString() ?? "", dialogue.Mail.Return, dialogue.Mail.Size));
    }

    [Theory]
    [InlineData("<x@y> NOTIFY=NEVER", "x@y", 0)]
    [InlineData("x", "x@mx.example.org", 0)]
    [InlineData("<>", "", 553)]
    public void A_rewritten_recipient_is_judged_in_the_place_of_the_other(string value, string recipient, int code)
    {
        (SmtpDialogue dialogue, _) = After("HELO a", "MAIL FROM:<a@b>", "RCPT TO:<c@d> NOTIFY=SUCCESS");
        SessionStep step = dialogue.Decide(new(Rewritten: value));
        Assert.Equal((code == 0 ? SessionAction.JudgeRecipient : SessionAction.Reply, code), (step.Action, step.Reply?.Code ?? 0));
        if (code == 0)
            Assert.Equal((recipient, value.Contains("NEVER", StringComparison.Ordinal) ? DsnNotify.Never : DsnNotify.Unspecified), (dialogue.Recipient.Recipient.ToString(), dialogue.Recipient.Notify));
    }

    [Theory]
    [InlineData("PLAIN AGEAYg==", SessionAction.CheckCredentials, 0)]
    [InlineData("LOGIN", SessionAction.Reply, 334)]
    [InlineData("CRAM-MD5", SessionAction.Reply, 504)]
    [InlineData("PLAIN !", SessionAction.Reply, 501)]
    public void A_rewritten_auth_is_taken_in_the_place_of_the_other(string value, SessionAction action, int code)
    {
        (SmtpDialogue dialogue, _) = After("TLS", "EHLO a", "AUTH PLAIN eA==");
        SessionStep step = dialogue.Decide(new(Rewritten: value));
        Assert.Equal((action, code), (step.Action, step.Reply?.Code ?? 0));
        Assert.Equal(default, dialogue.Question);
    }

    [Theory]
    [InlineData("DATA", SessionAction.Reply)]
    [InlineData("BDAT 10 LAST", SessionAction.DiscardChunk)]
    public void Data_cannot_be_rewritten(string line, SessionAction action)
    {
        (SmtpDialogue dialogue, _) = After("HELO a", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", line);
        SessionStep step = dialogue.Decide(new(Rewritten: "x"));
        Assert.Equal((action, 500), (step.Action, step.Reply!.Code));
    }

    [Fact]
    public void Only_the_first_chunk_is_asked_about_and_when_it_is_refused_the_message_has_failed()
    {
        (SmtpDialogue dialogue, _) = After("HELO a", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "BDAT 10", "BDAT 10");
        Assert.Equal(SessionAction.TakeChunk, Say(dialogue, "BDAT 10").Action);

        (dialogue, _) = After("HELO a", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "BDAT 10");
        SmtpReply no = new(550, "no");
        Assert.Equal(new(SessionAction.DiscardChunk, no), dialogue.Decide(new(no)));
        SessionStep step = Say(dialogue, "BDAT 10 LAST");
        Assert.Equal((SessionAction.DiscardChunk, 503), (step.Action, step.Reply!.Code));
        Say(dialogue, "RSET");
        dialogue.Decide(default);
        Assert.False(dialogue.HasMail);
    }

    [Fact]
    public void Refusals_by_filters_are_errors_but_those_of_addresses_are_not()
    {
        FilterVerdict no = new(new SmtpReply(550, "no"));
        (SmtpDialogue dialogue, _) = After("HELO a", "MAIL FROM:<a@b>");
        for (int i = 0; i < 10; i++)
        {
            Assert.Equal(new(SessionAction.Reply, no.Refusal), dialogue.Decide(no));
            Say(dialogue, "MAIL FROM:<a@b>");
        }
        Do(dialogue, dialogue.Decide(default), succeeds: true);
        for (int i = 0; i < 10; i++)
        {
            Say(dialogue, "RCPT TO:<c@d>");
            Assert.Equal(new(SessionAction.Reply, no.Refusal), dialogue.Decide(no));
        }
        for (int i = 0; i < 3; i++)
        {
            Say(dialogue, "HELO b");
            Assert.Equal(new(SessionAction.Reply, no.Refusal), dialogue.Decide(no));
        }
        Say(dialogue, "HELO b");
        SessionStep step = dialogue.Decide(no);
        Assert.Equal((SessionAction.Close, 421), (step.Action, step.Reply!.Code));
    }

    [Fact]
    public void A_client_that_was_turned_away_can_only_quit()
    {
        SmtpDialogue dialogue = new(s_with with { Limits = new() }, "mx.example.org", "192.0.2.1");
        dialogue.TurnAway();
        foreach (string line in (string[])["HELO a", "MAIL FROM:<a@b>", "NOOP", "HELP", "STARTTLS", "what"])
        {
            SessionStep step = Say(dialogue, line);
            Assert.Equal((SessionAction.Reply, 503), (step.Action, step.Reply!.Code));
        }
        SessionStep chunk = Say(dialogue, "BDAT 5");
        Assert.Equal((SessionAction.DiscardChunk, 503), (chunk.Action, chunk.Reply!.Code));
        Assert.Equal(SessionAction.Ask, Say(dialogue, "QUIT").Action);
        Assert.Equal(SessionAction.Close, dialogue.Decide(default).Action);
    }

    [Fact]
    public void Filters_that_proceed_change_nothing()
    {
        Gen.Int[0, s_lines.Length - 1].Array[1, 40].Sample(choices =>
        {
            SmtpDialogue without = new(s_without, "mx.example.org", "192.0.2.1"), with = new(s_with, "mx.example.org", "192.0.2.1");
            for (int i = 0; i < choices.Length; i++)
            {
                SessionStep expected = Say(without, s_lines[choices[i]]), step = Say(with, s_lines[choices[i]]);
                Assert.NotEqual(SessionAction.Ask, expected.Action);
                if (step.Action == SessionAction.Ask)
                    step = with.Decide(default);
                Assert.Equal(expected, step);
                if (step.Action == SessionAction.Close)
                    return;
                Do(without, step, i % 3 != 0);
                Do(with, step, i % 3 != 0);
                Assert.Equal((without.Helo, without.HasMail, without.Mail, without.Recipients, without.User, without.LineIsSecret), (with.Helo, with.HasMail, with.Mail, with.Recipients, with.User, with.LineIsSecret));
            }
        }, iter: 2000);
    }

    [Fact]
    public void Cve_2020_35680_no_decisions_of_filters_lead_astray()
    {
        Gen.Select(Gen.Int[0, s_lines.Length - 1], Gen.Int[0, s_verdicts.Length - 1]).Array[1, 40].Sample(choices =>
        {
            SmtpDialogue dialogue = new(s_with with { Limits = new() { MaxErrors = 1000 } }, "mx.example.org", "192.0.2.1");
            foreach ((int line, int verdict) in choices)
            {
                SessionStep step = Say(dialogue, s_lines[line]);
                if (step.Action == SessionAction.Ask)
                {
                    Assert.Null(step.Reply);
                    step = dialogue.Decide(s_verdicts[verdict]);
                }
                Assert.NotEqual(SessionAction.Ask, step.Action);
                if (step.Action is SessionAction.Reply or SessionAction.Close or SessionAction.DiscardChunk)
                    Assert.InRange(step.Reply!.Code, 200, 599);
                if (step.Action == SessionAction.Close)
                    return;
                Assert.True(step.Action is not (SessionAction.TakeContent or SessionAction.TakeChunk) || dialogue is { HasMail: true, Recipients: > 0 });
                Do(dialogue, step, succeeds: true);
            }
        }, iter: 2000);
    }
}
