using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using DnsClient;
using Microsoft.Data.Sqlite;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Native;
using OpenFlags = Posthouse.Server.Native.OpenFlags;

namespace Posthouse.Tests.Native;

[Collection(ProcessCollection.Name)]
public class SeccompTests
{
    private const int NoSystemCall = 38;
    private const int NoAddressFamily = 97;

    private static bool IsArm => System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture == System.Runtime.InteropServices.Architecture.Arm64;

    [Fact]
    public Task The_engine_can_do_its_work_and_nothing_that_is_denied() => OwnProcess.RunAsync(typeof(SeccompTests), nameof(Runs_as_engine));

    [Fact]
    public Task The_holder_of_keys_can_sign_and_talk_by_the_sockets_it_has() => OwnProcess.RunAsync(typeof(SeccompTests), nameof(Runs_as_keys));

    [Theory]
    [InlineData(SeccompProfile.Engine)]
    [InlineData(SeccompProfile.Keys)]
    public void Every_denied_call_is_answered_by_both_programs(SeccompProfile profile)
    {
        foreach (bool isArm in (bool[])[false, true])
        {
            SeccompFilter.Instruction[] program = Seccomp.Build(profile, isArm, process: 7, isNative: true);
            uint architecture = isArm ? 0xC00000B7 : 0xC000003E;
            foreach (SystemCallNumber call in SystemCallNumber.Never)
                if ((isArm ? call.Arm : call.Intel) is >= 0 and int number) Assert.Equal(0x00050001u, Run(program, architecture, number));
            // read, write, futex, mmap: everything that no rule names.
            foreach (int number in isArm ? (int[])[63, 64, 98, 222] : [0, 1, 202, 9]) Assert.Equal(SeccompFilter.Allow, Run(program, architecture, number));
            Assert.Equal(SeccompFilter.KillProcess, Run(program, 0x40000003, 1));
            if (!isArm) Assert.Equal(0x00050026u, Run(program, architecture, 0x40000000));

            // clone: a thread is allowed; a process, or a thread with a namespace of its own, is not.
            int clone = isArm ? 220 : 56;
            Assert.Equal(SeccompFilter.Allow, Run(program, architecture, clone, 0x3d0f00));
            Assert.Equal(0x00050001u, Run(program, architecture, clone, 17));
            Assert.Equal(0x00050001u, Run(program, architecture, clone, 0x3d0f00 | 0x10000000));
            int kill = isArm ? 129 : 62;
            Assert.Equal(SeccompFilter.Allow, Run(program, architecture, kill, 7, 15));
            Assert.Equal(0x00050001u, Run(program, architecture, kill, 8, 15));
            Assert.Equal(0x00050001u, Run(program, architecture, kill, uint.MaxValue, 9));
            int ioctl = isArm ? 29 : 16;
            Assert.Equal(SeccompFilter.Allow, Run(program, architecture, ioctl, 0, 0x5413));
            Assert.Equal(0x00050001u, Run(program, architecture, ioctl, 0, 0x5412));
            Assert.Equal(0x00050001u, Run(program, architecture, ioctl, 0, 0x541C));
            int openAt = isArm ? 56 : 257;
            Assert.Equal(profile == SeccompProfile.Keys ? 0x0005000Du : SeccompFilter.Allow, Run(program, architecture, openAt, 0, 0, 0));
        }
    }

    [Theory]
    [InlineData(1u, 5u, 0u, true)]
    [InlineData(1u, 2u, 0u, true)]
    [InlineData(2u, 1u | 0x80800, 6u, true)]
    [InlineData(2u, 2u, 17u, true)]
    [InlineData(10u, 1u, 0u, true)]
    [InlineData(16u, 3u | 0x80000, 0u, true)]
    [InlineData(2u, 3u, 1u, false)] // raw
    [InlineData(2u, 1u, 262u, false)] // MPTCP
    [InlineData(2u, 5u, 132u, false)] // SCTP
    [InlineData(10u, 2u, 58u, false)] // ping
    [InlineData(16u, 3u, 12u, false)] // netfilter
    [InlineData(17u, 3u, 0u, false)] // packets
    [InlineData(38u, 5u, 0u, false)] // the kernel's ciphers
    [InlineData(40u, 1u, 0u, false)] // virtual machines
    public void Sockets_of_the_engine(uint family, uint type, uint protocol, bool isAllowed)
    {
        foreach (bool isArm in (bool[])[false, true])
        {
            SeccompFilter.Instruction[] program = Seccomp.Build(SeccompProfile.Engine, isArm, process: 7, isNative: true);
            uint answer = Run(program, isArm ? 0xC00000B7 : 0xC000003E, isArm ? 198 : 41, family, type, protocol);
            Assert.Equal(isAllowed ? SeccompFilter.Allow : 0x00050000u | NoAddressFamily, answer);
        }
    }

    /// <summary>Not a test by itself.</summary>
    [Fact(Explicit = true)]
    public async Task Runs_as_engine()
    {
        // A thread that was there before is restricted too.
        using ManualResetEventSlim installed = new();
        int inThread = 0;
        Thread thread = new(() =>
        {
            installed.Wait();
            inThread = Call("unshare");
        });
        thread.Start();
        Assert.True(Seccomp.Install(SeccompProfile.Engine, out string? why), why);
        installed.Set();
        thread.Join();
        Assert.Equal(Errno.Permission, inThread);

        foreach (SystemCallNumber call in SystemCallNumber.Never)
            if ((IsArm ? call.Arm : call.Intel) >= 0) Assert.True(Call(call.Name) == Errno.Permission, call.Name);
        Assert.Equal(NoSystemCall, Call(SystemCallNumber.MakeTask3));
        Assert.Equal(Errno.Permission, Call(SystemCallNumber.MakeTask, 17));
        Assert.Equal(Errno.Permission, Call(SystemCallNumber.Kill, 1, 0));
        Assert.Equal(0, Call(SystemCallNumber.Kill, Environment.ProcessId, 0));
        Assert.Equal(NoAddressFamily, Call(SystemCallNumber.Socket, 38, 5));
        Assert.Equal(NoAddressFamily, Call(SystemCallNumber.Socket, 2, 3, 1));
        Assert.Throws<System.ComponentModel.Win32Exception>(() => System.Diagnostics.Process.Start("/bin/true"));

        // What it is there for works.
        int sum = 0;
        await Task.WhenAll(Enumerable.Range(0, 64).Select(i => Task.Factory.StartNew(() => Interlocked.Add(ref sum, i), TaskCreationOptions.LongRunning)));
        Assert.Equal(2016, sum);
        string path = Path.Combine(OwnProcess.Folder, "file");
        await File.WriteAllTextAsync(path, "text");
        File.Move(path, path + "2");
        Assert.Equal("text", await File.ReadAllTextAsync(path + "2"));
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        using (SqliteConnection connection = new($"Data Source={OwnProcess.Folder}/db;Pooling=False"))
        {
            connection.Open();
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = "PRAGMA journal_mode=WAL";
            Assert.Equal("wal", command.ExecuteScalar());
            command.CommandText = "CREATE TABLE t (x); INSERT INTO t VALUES (7); SELECT x FROM t";
            Assert.Equal(7L, command.ExecuteScalar());
        }
        Assert.NotEmpty(System.Net.NetworkInformation.NetworkInterface.GetAllNetworkInterfaces());
        Assert.Contains(await Dns.GetHostAddressesAsync("localhost"), IPAddress.IsLoopback);
        await AskNameServer();
        await SpeakTls();
    }

    /// <summary>Not a test by itself.</summary>
    [Fact(Explicit = true)]
    public void Runs_as_keys()
    {
        Assert.Equal(0, DescriptorPair.Sockets(out int ours, out int theirs));
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        byte[] digest = SHA256.HashData("text"u8);
        Assert.True(key.VerifyHash(digest, key.SignHash(digest)));
        File.WriteAllText(OwnProcess.Folder + "/file", "text");

        Assert.True(Seccomp.Install(SeccompProfile.Keys, out string? why), why);
        foreach (SystemCallNumber call in SystemCallNumber.Never.Concat(SystemCallNumber.NeverByKeys))
            if ((IsArm ? call.Arm : call.Intel) >= 0) Assert.True(Call(call.Name) == Errno.Permission, call.Name);
        Assert.Equal(Errno.Access, FileDescriptor.Open(OwnProcess.Folder + "/file", OpenFlags.WriteOnly, 0, out _));
        Assert.Equal(Errno.Access, FileDescriptor.Open(OwnProcess.Folder + "/new", OpenFlags.WriteOnly | OpenFlags.Create, 0x180, out SafeFileHandle? file));
        Assert.Null(file);

        Assert.True(key.VerifyHash(digest, key.SignHash(digest)));
        byte[] answer = new byte[4];
        Thread other = new(() => BlockingDescriptor.WriteAll(theirs, "ping"u8));
        other.Start();
        Assert.True(BlockingDescriptor.ReadAll(ours, answer));
        Assert.Equal("ping", Encoding.ASCII.GetString(answer));
        other.Join();
    }

    private static async Task AskNameServer()
    {
        using UdpClient server = new(new IPEndPoint(IPAddress.Loopback, 0));
        Task answering = Task.Run(async () =>
        {
            UdpReceiveResult query = await server.ReceiveAsync();
            byte[] answer = query.Buffer;
            answer[2] |= 0x80;
            answer[3] = 3; // no such name
            await server.SendAsync(answer, query.RemoteEndPoint);
        });
        LookupClient client = new(new LookupClientOptions((IPEndPoint)server.Client.LocalEndPoint!) { Timeout = TimeSpan.FromMinutes(1), Retries = 0 });
        IDnsQueryResponse response = await client.QueryAsync("name.example", QueryType.A);
        await answering;
        Assert.Equal(DnsHeaderResponseCode.NotExistentDomain, response.Header.ResponseCode);
    }

    private static async Task SpeakTls()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 certificate = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        using TcpClient client = new();
        Task connecting = client.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        using TcpClient accepted = await listener.AcceptTcpClientAsync();
        await connecting;
        using SslStream ours = new(accepted.GetStream()), theirs = new(client.GetStream(), false, static (_, _, _, _) => true);
        await Task.WhenAll(ours.AuthenticateAsServerAsync(certificate), theirs.AuthenticateAsClientAsync("localhost"));
        await ours.WriteAsync("ping"u8.ToArray());
        byte[] answer = new byte[4];
        await theirs.ReadExactlyAsync(answer);
        Assert.Equal("ping", Encoding.ASCII.GetString(answer));
    }

    private static int Call(string name) => Call(SystemCallNumber.Never.Concat(SystemCallNumber.NeverByKeys).Single(call => call.Name == name));

    // The arguments are such that no call would do harm if it were let through.
    private static int Call(SystemCallNumber call, nint a = -1, nint b = -1, nint c = -1) => Libc.syscall(IsArm ? call.Arm : call.Intel, a, b, c, -1) < 0 ? Errno.Last : 0;

    // What the kernel's interpreter answers.
    private static uint Run(SeccompFilter.Instruction[] program, uint architecture, int number, params uint[] arguments)
    {
        uint accumulator = 0;
        for (int at = 0; ; at++)
        {
            SeccompFilter.Instruction step = program[at];
            switch (step.Code)
            {
                case 0x20:
                    accumulator = step.Value switch
                    {
                        0 => (uint)number,
                        4 => architecture,
                        uint offset when (offset - 16) / 8 < arguments.Length => arguments[(offset - 16) / 8],
                        _ => 0,
                    };
                    break;
                case 0x54:
                    accumulator &= step.Value;
                    break;
                case 0x15:
                    at += accumulator == step.Value ? step.WhenTrue : step.WhenFalse;
                    break;
                case 0x35:
                    at += accumulator >= step.Value ? step.WhenTrue : step.WhenFalse;
                    break;
                case 0x06:
                    return step.Value;
                default:
                    throw new InvalidOperationException($"instruction {step.Code:x}");
            }
        }
    }
}
