using System.Net.Sockets;
using System.Text.RegularExpressions;
using Posthouse.Server.Configuration;
using Posthouse.Server.Receiving;

namespace Posthouse.Tests.Receiving;

/// <summary>
/// Plays the scripts of Dialogues: <c>C:</c> a line of the client, <c>S:</c> one of the server, <c>E:</c> the server closes, <c>M:</c> a line of the message
/// stored last, <c>L:</c> a line that the log has, <c>set</c> an option; lines of the client behind each other go in one piece. <c>*</c> stands for anything, \r \n \0 \t as in C, and
/// a <c>\c</c> at its end leaves out the line end.
/// </summary>
public class DialogueTests
{
    public static TheoryData<string> Scripts =>
        [.. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Receiving", "Dialogues"), "*.smtp").Select(file => Path.GetFileName(file)).Order()];

    [Theory]
    [MemberData(nameof(Scripts))]
    public async Task Goes_as_written(string script)
    {
        string[] lines = await File.ReadAllLinesAsync(Path.Combine(AppContext.BaseDirectory, "Receiving", "Dialogues", script), TestContext.Current.CancellationToken);
        SessionProfile profile = SmtpServerFixture.Profile;
        string? address = null;
        foreach (string line in lines.Where(line => line.StartsWith("set ", StringComparison.Ordinal)))
            Set(line.Split(' '), ref profile, ref address);

        await using SmtpServerFixture server = new(profile);
        Socket client = await server.ConnectAsync(address);
        List<string>? content = null;
        string pending = "";
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i], where = $"{script}:{i + 1}";
            if (line.StartsWith("C:", StringComparison.Ordinal))
            {
                pending += Unescape(Rest(line));
                continue;
            }
            if (pending.Length > 0)
                await SmtpServerFixture.SendAsync(client, pending);
            pending = "";
            if (line.StartsWith("S:", StringComparison.Ordinal))
                AssertMatch(Rest(line), await ReadLineAsync(client), where);
            else if (line.StartsWith("E:", StringComparison.Ordinal))
                AssertMatch("", await ReadLineAsync(client), where);
            else if (line.StartsWith("M:", StringComparison.Ordinal))
            {
                content ??= [.. (await server.ContentAsync(server.Envelopes[^1].Id.Message)).Split("\r\n")];
                AssertMatch(Rest(line), content.Count > 0 ? content[0] : "(nothing more)", where);
                content.RemoveAt(0);
            }
            else if (line.StartsWith("L:", StringComparison.Ordinal))
            {
                if (!server.Session.IsCompleted)
                    await server.Session.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
                Assert.True(server.Log.Exists(logged => Matches(Rest(line), logged)), $"{where}: not logged; the log is\n{string.Join('\n', server.Log)}");
            }
            else if (!line.StartsWith("set ", StringComparison.Ordinal))
                Assert.True(line.Length == 0 || line[0] == '#', $"{where}: what is this?");
        }
        if (content != null)
            Assert.Equal([""], content);
    }

    private static void Set(string[] words, ref SessionProfile profile, ref string? address)
    {
        switch (words[1])
        {
            case "client": address = words[2]; break;
            case "no-dsn": profile = profile with { NoDsn = true }; break;
            case "mask-src": profile = profile with { MaskSource = true }; break;
            case "max-size": profile = profile with { MaxMessageSize = int.Parse(words[2]) }; break;
            case "max-line": profile = profile with { MaxLineLength = int.Parse(words[2]) }; break;
            case "max-rcpt": profile = profile with { Limits = profile.Limits with { MaxRecipients = int.Parse(words[2]) } }; break;
            case "max-mails": profile = profile with { Limits = profile.Limits with { MaxMails = int.Parse(words[2]) } }; break;
            case "max-errors": profile = profile with { Limits = profile.Limits with { MaxErrors = int.Parse(words[2]) } }; break;
            case "max-commands": profile = profile with { Limits = profile.Limits with { MaxCommands = int.Parse(words[2]) } }; break;
            case "tls": profile = profile with { Tls = ListenerTls.Offered }; break;
            case "tls-require": profile = profile with { Tls = ListenerTls.Required }; break;
            case "auth": profile = profile with { Auth = ListenerAuth.Required, Tls = ListenerTls.Offered }; break;
            default: Assert.Fail($"no option {words[1]}"); break;
        }
    }

    private static string Rest(string line) => line.Length > 3 ? line[3..] : "";

    private static string Unescape(string text)
    {
        text = text.EndsWith("\\c", StringComparison.Ordinal) ? text[..^2] : text + "\r\n";
        return text.Replace("\\r", "\r", StringComparison.Ordinal).Replace("\\n", "\n", StringComparison.Ordinal)
            .Replace("\\0", "\0", StringComparison.Ordinal).Replace("\\t", "\t", StringComparison.Ordinal);
    }

    private static bool Matches(string pattern, string text) =>
        Regex.IsMatch(text, $"^{Regex.Escape(pattern.Replace("\\t", "\t", StringComparison.Ordinal)).Replace("\\*", ".*", StringComparison.Ordinal)}$", RegexOptions.Singleline);

    private static void AssertMatch(string pattern, string text, string where) =>
        Assert.True(Matches(pattern, text), $"{where}: expected {pattern}\nbut was {text}");

    private static async Task<string> ReadLineAsync(Socket client)
    {
        List<byte> line = [];
        byte[] one = new byte[1];
        while (!(line is [.., (byte)'\r', (byte)'\n']))
        {
            if (await client.ReceiveAsync(one).WaitAsync(TimeSpan.FromSeconds(60)) == 0)
                break;
            line.Add(one[0]);
        }
        return System.Text.Encoding.UTF8.GetString([.. line]).TrimEnd('\r', '\n');
    }
}
