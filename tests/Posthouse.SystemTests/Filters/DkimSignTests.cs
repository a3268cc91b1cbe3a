using System.Text;
using Posthouse.Plugs.Filters;
using Posthouse.Plugs.Testing;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests.Filters;

/// <summary>The signing filter as a process; its signatures verified by a program that shares no code with it.</summary>
public sealed class DkimSignTests : IDisposable
{
    // Verifies each signature of a file with the key records given, and says pass or fail for each.
    private const string Verifier = """
        import sys, dkim
        records = dict(pair.split("=", 1) for pair in sys.argv[2:])
        message = open(sys.argv[1], "rb").read()
        look_up = lambda name, timeout=5: records[name.decode().rstrip(".")].encode()
        for i in range(sum(line.lower().startswith(b"dkim-signature:") for line in message.split(b"\r\n"))):
            d = dkim.DKIM(message)
            try: ok = d.verify(idx=i, dnsfunc=look_up)
            except dkim.ValidationError: ok = False
            print(d.signature_fields[b"a"].decode(), d.domain.decode(), "pass" if ok else "fail")
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("dkim-sign-").FullName;
    private readonly List<string> _records = [];

    private static string Executable => Path.Combine(SourceTree.Root, "extras", "filters", "dkim-sign", "bin", "Debug", "net10.0", "dkim-sign");

    private string Table => Path.Combine(_folder, "table");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    public static TheoryData<string> Mails() =>
    [
        "From: a@example.org\r\nTo: b@example.net\r\nSubject: x\r\n\r\nbody\r\n",
        "From: a@example.org\r\nSubject: eight bits \u00e9\u00ff\r\n\r\n\u0080\u00ff\u00fe body\r\n",
        "From: a@example.org\r\n\r\nno line end",
        "From: a@example.org\r\n\r\ntrailing  \t \r\n\t \r\n  leading\r\n\r\n \r\n\r\n",
        "From: a@example.org\r\n\r\n",
        "From: a@example.org\r\n\r\n\r\n\r\n",
        "From: a@example.org\r\nSubject: no body",
        "FROM:  \"A\r\n B\"\r\n\t<a@EXAMPLE.org>\r\nTo: x,\r\n  y\r\nTo: z\r\nSubject:\r\n \r\n\r\n.dot\r\n..\r\n...\r\n",
        "Received: x\r\nfrom: group: a@example.org, b@example.net;\r\nDKIM-Signature: v=1; a=rsa-sha256; d=other.example; s=x; h=from; bh=x; b=x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"a b\"\r\n\r\npreamble\r\n--a b\r\n"
            + "Content-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\nnever closed\r\n--a b --\r\nContent-Transfer-Encoding: base64\r\n\r\n=not=base64=\r\n--a b--\r\nepilogue \r\n",
    ];

    [Theory, MemberData(nameof(Mails))]
    public async Task Both_signatures_verify_and_not_a_byte_is_changed(string mail)
    {
        await AddKeyAsync("example.org", "rsa", "RSA");
        await AddKeyAsync("example.org", "ed", "ED25519");
        foreach (bool bulk in (bool[])[false, true])
        {
            FilterMail sent = await SendAsync(mail, bulk);
            Assert.Equal(Verdict.Proceed, sent.Verdict);
            string text = Encoding.Latin1.GetString(sent.Content!);
            Assert.EndsWith("\r\n" + mail + (mail.EndsWith("\r\n", StringComparison.Ordinal) ? "" : "\r\n"), text, StringComparison.Ordinal);
            string[] results = await VerifyAsync(mail.Contains("other.example", StringComparison.Ordinal) ? text.Replace("DKIM-Signature: v=1; a=rsa-sha256; d=other", "DKIM-Other: v=1; a=rsa-sha256; d=other", StringComparison.Ordinal) : text);
            Assert.Equal(["rsa-sha256 example.org pass", "ed25519-sha256 example.org pass"], results);
        }
    }

    [Fact]
    public async Task A_field_added_or_a_byte_changed_breaks_the_signature()
    {
        await AddKeyAsync("example.org", "rsa", "RSA");
        FilterMail sent = await SendAsync("From: a@example.org\r\nSubject: x\r\n\r\nbody\r\n");
        string text = Encoding.Latin1.GetString(sent.Content!);
        Assert.Equal(["rsa-sha256 example.org pass"], await VerifyAsync(text));
        foreach (string added in (string[])["From: evil@example.org", "Subject: y", "Cc: y", "Reply-To: y", "Content-Type: text/html"])
            Assert.Equal(["rsa-sha256 example.org fail"], await VerifyAsync(added + "\r\n" + text));
        Assert.Equal(["rsa-sha256 example.org fail"], await VerifyAsync(text.Replace("body", "Body", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Large_mail_is_signed_from_disk()
    {
        await AddKeyAsync("example.org", "rsa", "RSA");
        string mail = "From: a@example.org\r\n\r\n" + string.Concat(Enumerable.Range(0, 60_000).Select(static i => $"line {i} of  a \t long message \r\n")) + "\r\n\r\n";
        FilterMail sent = await SendAsync(mail, bulk: true);
        string text = Encoding.Latin1.GetString(sent.Content!);
        Assert.EndsWith(mail, text, StringComparison.Ordinal);
        Assert.Equal(["rsa-sha256 example.org pass"], await VerifyAsync(text));
    }

    [Fact]
    public async Task Domains_are_chosen_by_From_by_the_envelope_or_by_default_and_others_pass_unsigned()
    {
        await AddKeyAsync("example.org", "rsa", "RSA");
        await AddKeyAsync("example.com", "ed", "ED25519");
        Assert.Equal("example.com", Domain(await SendAsync("From: a@example.com\r\n\r\nx\r\n", from: "b@example.org")));
        Assert.Equal("example.org", Domain(await SendAsync("From: a@example.com\r\n\r\nx\r\n", from: "b@example.org", options: "--sender")));
        Assert.Equal("example.org", Domain(await SendAsync("From: a@example.org\r\n\r\nx\r\n", from: "")));
        foreach (string mail in (string[])["From: a@other.example\r\n\r\nx\r\n", "Subject: no From\r\n\r\nx\r\n", "From: a@example.org\r\nFrom: a@example.com\r\n\r\nx\r\n", "\r\nx\r\n"])
        {
            FilterMail sent = await SendAsync(mail);
            Assert.Equal((mail, Verdict.Proceed), (Encoding.Latin1.GetString(sent.Content!), sent.Verdict));
        }

        await File.AppendAllTextAsync(Table, "* any rsa.pem # the rest\n");
        _records.Add("any._domainkey.b\u00fccher.example".Replace("b\u00fccher", "xn--bcher-kva", StringComparison.Ordinal) + "=" + _records[0].Split('=', 2)[1]);
        FilterMail idn = await SendAsync(Encoding.Latin1.GetString("From: a@b\u00fccher.example\r\n\r\nx\r\n"u8));
        Assert.Equal(["rsa-sha256 xn--bcher-kva.example pass"], await VerifyAsync(Encoding.Latin1.GetString(idn.Content!)));
    }

    [Fact]
    public async Task Only_users_mail_is_signed_where_that_is_asked_for()
    {
        await AddKeyAsync("example.org", "ed", "ED25519");
        await using FilterHarness harness = await FilterHarness.StartAsync(Executable, [Table, "--authenticated"]);
        FilterHarnessSession stranger = await harness.ConnectAsync(), user = await harness.ConnectAsync();
        await stranger.ReportAsync("link-auth", "fail|joe");
        await user.ReportAsync("link-auth", "pass|joe");
        byte[] mail = "From: a@example.org\r\n\r\nx\r\n"u8.ToArray();
        Assert.Equal(mail, (await stranger.SendAsync(mail)).Content);
        Assert.Equal("example.org", Domain(await user.SendAsync(mail)));
    }

    [Fact]
    public async Task A_changed_table_is_read_again_and_a_broken_one_leaves_the_old()
    {
        await AddKeyAsync("example.org", "ed", "ED25519");
        await using FilterHarness harness = await FilterHarness.StartAsync(Executable, [Table]);
        FilterHarnessSession session = await harness.ConnectAsync();
        byte[] mail = "From: a@new.example\r\n\r\nx\r\n"u8.ToArray(), old = "From: a@example.org\r\n\r\nx\r\n"u8.ToArray();
        Assert.Equal(mail, (await session.SendAsync(mail)).Content);
        await AddKeyAsync("new.example", "second", "ED25519");
        Assert.Equal("new.example", Domain(await session.SendAsync(mail)));
        await File.AppendAllTextAsync(Table, "this line is broken\n");
        Assert.Equal("new.example", Domain(await session.SendAsync(mail)));
        Assert.Equal("example.org", Domain(await session.SendAsync(old)));
    }

    [Fact]
    public async Task Keys_that_others_may_read_and_files_that_are_none_are_refused()
    {
        await AddKeyAsync("example.org", "ed", "ED25519");
        string key = Path.Combine(_folder, "ed.pem");
        File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.OtherRead);
        await RefusedAsync("others may read");
        File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite);
        await RefusedAsync("others may read");
        File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await File.WriteAllTextAsync(key, "no key");
        await RefusedAsync("no RSA or Ed25519 private key");
        File.Delete(key);
        await RefusedAsync("ed.pem");
        Tool usage = await Tool.RunAsync(Executable, Table, "--unknown");
        Assert.Equal(2, usage.ExitCode);
        Assert.Contains("usage:", usage.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tempfail", "451 4.3.0 Temporary failure of a mail filter")]
    [InlineData("pass", null)]
    public async Task What_cannot_be_signed_is_tried_later_or_passes(string option, string? reply)
    {
        await AddKeyAsync("example.org", "ed", "ED25519");
        string mail = "From: a@example.org\r\n" + string.Concat(Enumerable.Range(0, 40_000).Select(static i => $"X-{i}: a header longer than 1 MiB\r\n")) + "\r\nx\r\n";
        FilterMail sent = await SendAsync(mail, options: ["--on-error", option]);
        Assert.Equal((mail, reply), (Encoding.Latin1.GetString(sent.Content!), sent.Verdict.Parameter));
    }

    private static string? Domain(FilterMail sent)
    {
        string text = Encoding.Latin1.GetString(sent.Content!);
        int at = text.IndexOf("\td=", StringComparison.Ordinal);
        return at < 0 ? null : text[(at + 3)..text.IndexOf(';', at)];
    }

    private async Task<FilterMail> SendAsync(string mail, bool bulk = false, string from = "a@example.org", params string[] options)
    {
        await using FilterHarness harness = await FilterHarness.StartAsync(Executable, [Table, .. options], new() { OffersBulk = bulk });
        return await (await harness.ConnectAsync()).SendAsync(Encoding.Latin1.GetBytes(mail), from);
    }

    private async Task RefusedAsync(string message)
    {
        Tool run = await Tool.RunAsync(Executable, Table);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
    }

    private async Task AddKeyAsync(string domain, string selector, string algorithm)
    {
        string key = Path.Combine(_folder, selector + ".pem"), open = Path.Combine(_folder, selector + ".pub");
        string[] bits = algorithm == "RSA" ? ["-pkeyopt", "rsa_keygen_bits:2048"] : [];
        Tool made = await Tool.RunAsync("openssl", (IEnumerable<string>)["genpkey", "-algorithm", algorithm, .. bits, "-out", key]);
        Assert.True(made.ExitCode == 0, made.ToString());
        File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Assert.Equal(0, (await Tool.RunAsync("openssl", "pkey", "-in", key, "-pubout", "-outform", "DER", "-out", open)).ExitCode);
        byte[] bytes = await File.ReadAllBytesAsync(open);
        _records.Add(algorithm == "RSA"
            ? $"{selector}._domainkey.{domain}=v=DKIM1; k=rsa; p={Convert.ToBase64String(bytes)}"
            : $"{selector}._domainkey.{domain}=v=DKIM1; k=ed25519; p={Convert.ToBase64String(bytes[^32..])}");
        await File.AppendAllTextAsync(Table, $"{domain} {selector} {key}\n");
    }

    private async Task<string[]> VerifyAsync(string mail)
    {
        string file = Path.Combine(_folder, "mail");
        await File.WriteAllBytesAsync(file, Encoding.Latin1.GetBytes(mail));
        Tool run = await Tool.RunAsync("/usr/bin/python3", (IEnumerable<string>)["-c", Verifier, file, .. _records]);
        Assert.True(run.ExitCode == 0, run.ToString());
        return run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
