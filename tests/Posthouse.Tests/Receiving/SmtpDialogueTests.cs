using System.Text;
using CsCheck;
using Posthouse.Server.Configuration;
using Posthouse.Server.Receiving;
using Posthouse.Wire;

namespace Posthouse.Tests.Receiving;

public class SmtpDialogueTests
{
    private static readonly SessionProfile s_profile = new()
    {
        ServerName = "mx.example.org",
        Tls = ListenerTls.Offered,
        Auth = ListenerAuth.Optional,
        MaxMessageSize = 1000,
        Limits = new() { MaxErrors = 1000, MaxMails = 5, MaxRecipients = 3 },
    };

    private static readonly string[] s_lines =
    [
        "HELO a", "EHLO a", "EHLO", "MAIL FROM:<a@b>", "MAIL FROM:<>", "MAIL FROM:<a@b> SIZE=2000", "MAIL", "RCPT TO:<a@b>", "RCPT TO:<a>", "RCPT TO:<>", "RCPT TO:<ö@b>",
        "DATA", "BDAT 10", "BDAT 10 LAST", "BDAT 0 LAST", "BDAT x", "RSET", "NOOP", "QUIT", "STARTTLS", "AUTH PLAIN", "AUTH PLAIN AGEAYg==", "AUTH LOGIN", "AUTH LOGIN YQ==", "YQ==", "*", "", "\0", "VRFY a", "EXPN a",
    ];

    private static SessionStep Say(SmtpDialogue dialogue, string line) => dialogue.Execute(Encoding.UTF8.GetBytes(line));

    [Fact]
    public void Cve_2020_35680_no_sequence_of_commands_leads_astray()
    {
        Gen.Int[0, s_lines.Length - 1].Array[1, 40].Sample(choices =>
        {
            SmtpDialogue dialogue = new(s_profile, "mx.example.org", "192.0.2.1");
            bool begun = false;
            for (int i = 0; i < choices.Length; i++)
            {
                SessionStep step = Say(dialogue, s_lines[choices[i]]);
                bool succeed = i % 3 != 0;
                switch (step.Action)
                {
                    case SessionAction.Close:
                        Assert.NotNull(step.Reply);
                        return;
                    case SessionAction.Reply or SessionAction.DiscardChunk:
                        Assert.InRange(step.Reply!.Code, 200, 599);
                        break;
                    case SessionAction.JudgeSender:
                        Assert.False(dialogue.HasMail);
                        Assert.NotEmpty(dialogue.Helo);
                        dialogue.DecideMail(succeed ? null : new SmtpReply(451, "no"));
                        Assert.Equal(succeed, dialogue.HasMail);
                        begun = false;
                        break;
                    case SessionAction.JudgeRecipient:
                        Assert.True(dialogue.HasMail && !begun);
                        Assert.True(dialogue.Recipient.Recipient.IsQualified);
                        dialogue.DecideRecipient(succeed ? null : new SmtpReply(550, "no"));
                        Assert.InRange(dialogue.Recipients, 0, 3);
                        break;
                    case SessionAction.TakeContent:
                        Assert.True(dialogue.HasMail && dialogue.Recipients > 0 && !begun);
                        dialogue.EndMessage();
                        Assert.False(dialogue.HasMail);
                        break;
                    case SessionAction.TakeChunk:
                        Assert.True(dialogue.HasMail && dialogue.Recipients > 0);
                        begun = !dialogue.Chunk.IsLast;
                        if (begun)
                            dialogue.EndChunk(succeed ? null : new SmtpReply(550, "no"));
                        else
                            dialogue.EndMessage();
                        break;
                    case SessionAction.StartTls:
                        Assert.False(dialogue.IsEncrypted);
                        dialogue.Encrypted();
                        Assert.Empty(dialogue.Helo);
                        break;
                    case SessionAction.CheckCredentials:
                        Assert.True(dialogue.IsEncrypted && dialogue.User == null);
                        dialogue.DecideCredentials(succeed);
                        Assert.Equal(succeed, dialogue.User != null);
                        break;
                }
            }
        }, iter: 5000);
    }

    [Fact]
    public void Cve_2026_a_line_end_in_a_user_name_never_reaches_a_table()
    {
        SmtpDialogue dialogue = new(s_profile, "mx.example.org", "192.0.2.1");
        dialogue.Encrypted();
        Say(dialogue, "EHLO a");
        foreach (string injected in new[] { "\0joe\n\0secret", "\0joe\0se\ncret", "\0jo\re\0secret" })
        {
            SessionStep step = Say(dialogue, $"AUTH PLAIN {Convert.ToBase64String(Encoding.UTF8.GetBytes(injected))}");
            Assert.Equal((SessionAction.Reply, 501), (step.Action, step.Reply!.Code));
        }
    }

    [Fact]
    public void A_chunk_too_large_to_be_read_ends_the_session()
    {
        SmtpDialogue dialogue = new(s_profile, "mx.example.org", "192.0.2.1");
        Assert.Equal(SessionAction.Close, Say(dialogue, "BDAT 1001").Action);
    }

    [Fact]
    public void Secrets_are_marked_so_that_no_log_has_them()
    {
        SmtpDialogue dialogue = new(s_profile, "mx.example.org", "192.0.2.1");
        dialogue.Encrypted();
        Say(dialogue, "EHLO a");
        Say(dialogue, "AUTH LOGIN");
        Assert.True(dialogue.LineIsSecret);
        Say(dialogue, "YQ==");
        Say(dialogue, "!!");
        Assert.True(dialogue.LineIsSecret);
        Say(dialogue, "NOOP");
        Assert.False(dialogue.LineIsSecret);
    }
}
