using System.Globalization;
using System.Security.Cryptography;
using Posthouse.Server.Native;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>The server's processes: what each of them is, and that any of them may die.</summary>
public class ProcessTests
{
    private const string WithTls = """
        pki mx.example.org cert "{dir}/mx.example.org.crt"
        pki mx.example.org key "{dir}/mx.example.org.key"
        listen on 127.0.0.1 port {port2} tls pki mx.example.org
        """;

    [Theory]
    [InlineData("engine")]
    [InlineData("keys")]
    [InlineData("worker")]
    public async Task What_was_acknowledged_arrives_though_a_process_is_killed_again_and_again(string role)
    {
        await using RunningServer server = await StartWithTlsAsync();
        await using Load load = new(server, clients: 6);
        for (int moment = 0; moment < 10; moment++)
        {
            await load.MoreAsync(Random.Shared.Next(1, 60));
            int[] victims = await server.WaitForAsync(() => server.ProcessesOf(role) is { Length: > 0 } found ? found : null, () => $"there is no {role}");
            foreach (int victim in victims) Kill(victim);
            if (role != "engine") continue;
            // The sockets stayed open all the time: a client that connects now is served when there is an engine again.
            await server.AcceptAsync("you@example.org", $"Message-Id: <extra.{moment}@client.example.org>\n\nbody");
            Assert.DoesNotContain(victims[0], server.ProcessesOf(role));
        }

        await load.StopAsync();
        await load.AllArrivedAsync();
        if (role == "keys") await TlsAgainAsync(server);
        if (role != "engine") Assert.True(load.Broken == 0, $"{load.Broken} broken: {string.Join(" | ", load.Refused.Distinct())}");
    }

    [Fact]
    public async Task What_was_acknowledged_arrives_though_the_parent_is_killed_again_and_again()
    {
        await using RunningServer server = await StartWithTlsAsync();
        await using Load load = new(server, clients: 6);
        for (int moment = 0; moment < 10; moment++)
        {
            await load.MoreAsync(Random.Shared.Next(1, 60));
            int[] orphans = [.. server.ProcessesOf("engine"), .. server.ProcessesOf("keys")];
            Assert.Equal(2, orphans.Length);
            await server.KillParentAsync();
            // They do not outlive it, and the next one need not wait for them.
            await server.StartAgainAsync();
            Assert.All(orphans, static orphan => Assert.False(Directory.Exists($"/proc/{orphan}/fd/0")));
        }

        await load.StopAsync();
        await load.AllArrivedAsync();
    }

    [Fact]
    public async Task Each_process_may_do_only_what_it_must()
    {
        await using RunningServer server = await StartWithTlsAsync();
        await server.AcceptAsync("you@example.org");
        await server.WaitForMailAsync("you");
        int engine = Assert.Single(server.ProcessesOf("engine")), keys = Assert.Single(server.ProcessesOf("keys"));
        foreach (int process in (int[])[engine, keys])
        {
            Dictionary<string, string> status = Status(process);
            Assert.Equal("1", status["NoNewPrivs"]);
            Assert.Equal("2", status["Seccomp"]);
            if (!SystemAccounts.IsRoot) continue;
            string uid = server.Account.Uid.ToString(CultureInfo.InvariantCulture);
            Assert.All(status["Uid"].Split('\t'), value => Assert.Equal(uid, value));
            Assert.Equal("", status["Groups"].Trim());
            Assert.All((string[])["CapInh", "CapPrm", "CapEff", "CapAmb"], set => Assert.Equal(0UL, ulong.Parse(status[set], NumberStyles.HexNumber, CultureInfo.InvariantCulture)));
        }

        int parent = server.ProcessId;
        Assert.DoesNotContain(Descriptors(parent), static target => target.StartsWith("socket:", StringComparison.Ordinal) && IsConnected(target));
        if (SystemAccounts.IsRoot)
        {
            // Nothing but sockets, pipes, the log and what the runtime has for itself.
            Assert.All(Descriptors(keys), static target => Assert.True(!target.StartsWith('/') || target.StartsWith("/dev/", StringComparison.Ordinal), target));
            Assert.Empty(Directory.EnumerateFileSystemEntries($"/proc/{keys}/root"));
            Assert.Equal(Path.Combine(server.State, "spool"), new DirectoryInfo($"/proc/{engine}/cwd").ResolveLinkTarget(true)?.FullName ?? "");
        }
    }

    [Theory]
    [InlineData("ec")]
    [InlineData("rsa")]
    public async Task The_private_key_is_in_the_memory_of_one_process_only(string kind)
    {
        await using RunningServer server = await StartWithTlsAsync(kind);
        if (!SystemAccounts.IsRoot)
        {
            // Not even whoever started them may look into them.
            Assert.Throws<UnauthorizedAccessException>(() => File.OpenRead($"/proc/{Assert.Single(server.ProcessesOf("keys"))}/mem"));
            Assert.Throws<UnauthorizedAccessException>(() => File.OpenRead($"/proc/{Assert.Single(server.ProcessesOf("engine"))}/mem"));
            return;
        }

        for (int i = 0; i < 3; i++) await Tls(server);
        byte[] secret = Secret(File.ReadAllText(Path.Combine(server.Folder, "mx.example.org.key")), kind);
        Assert.True(Holds(Assert.Single(server.ProcessesOf("keys")), secret), "the keys process does not have it: the search is no good");
        Assert.False(Holds(Assert.Single(server.ProcessesOf("engine")), secret), "the engine has the key");
        Assert.False(Holds(server.ProcessId, secret), "the parent has the key");
    }

    [Fact]
    public async Task Without_the_keys_process_only_TLS_waits()
    {
        await using RunningServer server = await StartWithTlsAsync();
        int keys = Assert.Single(server.ProcessesOf("keys"));
        using (SmtpClient plain = await SmtpClient.ConnectAsync(server.Port))
        {
            Kill(keys);
            await plain.SayAsync("EHLO client.example.org", "250");
            Assert.StartsWith("250 ", await plain.SendMessageAsync("me@example.org", ["you@example.org"], "Subject: x\n\nbody"), StringComparison.Ordinal);
        }

        await TlsAgainAsync(server);
    }

    private static Task<RunningServer> StartWithTlsAsync(string kind = "ec") => RunningServer.StartAsync(
        RunningServer.SimpleAfter(WithTls), prepare: server => Certificates.Make(server.Folder, "mx.example.org", kind));

    // Handshakes fail while there is nobody to sign.
    private static Task TlsAgainAsync(RunningServer server) => server.WaitForAsync(
        () =>
        {
            try
            {
                Tls(server).GetAwaiter().GetResult();
                return "";
            }
            catch (Exception error) when (error is IOException or System.Security.Authentication.AuthenticationException)
            {
                return null;
            }
        },
        static () => "TLS does not work");

    private static async Task Tls(RunningServer server)
    {
        using SmtpClient client = await SmtpClient.ConnectAsync(server.SecondPort);
        await client.SayAsync("EHLO client.example.org", "250");
        await client.SayAsync("STARTTLS", "220");
        await client.EncryptAsync();
        await client.SayAsync("EHLO client.example.org", "250");
        await client.SayAsync("QUIT", "221");
    }

    private static void Kill(int process)
    {
        using System.Diagnostics.Process kill = System.Diagnostics.Process.Start("kill", ["-KILL", process.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    private static Dictionary<string, string> Status(int process) => File.ReadLines($"/proc/{process}/status")
        .Select(static line => line.Split(':', 2)).ToDictionary(static parts => parts[0], static parts => parts[1].Trim());

    private static string[] Descriptors(int process) => [.. Directory.EnumerateFileSystemEntries($"/proc/{process}/fd")
        .Select(static file => new FileInfo(file).LinkTarget ?? "")];

    // Whether a socket is one end of a TCP connection: the parent has listening ones only.
    private static bool IsConnected(string target)
    {
        string inode = target["socket:[".Length..^1];
        return File.ReadLines("/proc/net/tcp").Concat(File.ReadLines("/proc/net/tcp6")).Skip(1)
            .Select(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Any(fields => fields.Length > 9 && fields[9] == inode && fields[3] != "0A");
    }

    // What nobody but the owner of the key can have: the private number of an elliptic curve, or a prime.
    private static byte[] Secret(string pem, string kind)
    {
        if (kind == "rsa")
        {
            using RSA rsa = RSA.Create();
            rsa.ImportFromPem(pem);
            return rsa.ExportParameters(true).P![..64];
        }

        using ECDsa ec = ECDsa.Create();
        ec.ImportFromPem(pem);
        return ec.ExportParameters(true).D!;
    }

    // Big numbers stand in memory with their least significant byte first, files with their most significant.
    private static bool Holds(int process, byte[] secret)
    {
        byte[] reversed = [.. secret.Reverse()];
        using FileStream memory = new($"/proc/{process}/mem", FileMode.Open, FileAccess.Read);
        byte[] block = new byte[4 << 20];
        foreach (string line in File.ReadLines($"/proc/{process}/maps"))
        {
            string[] fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (!fields[1].StartsWith("rw", StringComparison.Ordinal)) continue;
            string[] range = fields[0].Split('-');
            long at = long.Parse(range[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture), end = long.Parse(range[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            while (at < end)
            {
                int length;
                try
                {
                    length = RandomAccess.Read(memory.SafeFileHandle, block.AsSpan(0, (int)Math.Min(block.Length, end - at)), at);
                }
                catch (IOException)
                {
                    break;
                }

                if (length <= 0) break;
                ReadOnlySpan<byte> read = block.AsSpan(0, length);
                if (read.IndexOf(secret) >= 0 || read.IndexOf(reversed) >= 0) return true;
                // A secret may lie across two blocks.
                at += length == block.Length ? length - secret.Length : length;
            }
        }

        return false;
    }
}
