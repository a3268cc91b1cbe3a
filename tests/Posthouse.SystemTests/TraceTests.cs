using System.Globalization;
using System.Text.RegularExpressions;
using Posthouse.Server.Native;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>What each process opens, by strace. Only root may trace processes that change their users and do not let themselves be inspected.</summary>
public class TraceTests
{
    private static readonly Regex s_call = new(@"^(?<thread>\d+) +(?<call>.*)$");
    private static readonly Regex s_resumed = new(@"^<\.\.\. \w+ resumed>(?<rest>.*)$");
    private static readonly Regex s_opened = new(@"^open(?:at|at2)?\(.*\) += \d+<(?<path>[^>]*)>$");
    private static readonly Regex s_started = new(@"^(?:clone|clone3|vfork|fork)\(.*\) += (?<child>\d+)$");
    private static readonly Regex s_became = new("^execve\\(\"[^\"]*\", \\[(?<arguments>.*)\\], .* = 0$");

    [Fact]
    public async Task Each_process_opens_what_it_may_and_nothing_else()
    {
        if (!SystemAccounts.IsRoot) return;
        string trace = Path.Combine(Directory.CreateTempSubdirectory("posthouse-trace-").FullName, "trace");
        string spool = "", folder = "", key = "";
        try
        {
            await using (RunningServer server = await RunningServer.StartAsync(RunningServer.SimpleAfter("""
                pki mx.example.org cert "{dir}/mx.example.org.crt"
                pki mx.example.org key "{dir}/mx.example.org.key"
                listen on 127.0.0.1 port {port2} tls pki mx.example.org
                """), prepare: prepared =>
                {
                    Certificates.Make(prepared.Folder, "mx.example.org");
                    prepared.Launcher = ["strace", "-f", "-y", "-s", "4096", "-o", trace, "-e", "trace=execve,execveat,clone,clone3,fork,vfork,open,openat,openat2,seccomp,accept,accept4", "-e", "signal=none"];
                }))
            {
                (spool, folder, key) = (Path.Combine(server.State, "spool"), server.Folder, Path.Combine(server.Folder, "mx.example.org.key"));
                for (int i = 0; i < 2; i++)
                {
                    using SmtpClient client = await SmtpClient.ConnectAsync(server.SecondPort);
                    await client.SayAsync("EHLO client.example.org", "250");
                    await client.SayAsync("STARTTLS", "220");
                    await client.EncryptAsync();
                    await client.SayAsync("EHLO client.example.org", "250");
                    Assert.StartsWith("250 ", await client.SendMessageAsync("me@example.org", ["you@example.org"], "Subject: x\n\nbody"), StringComparison.Ordinal);
                }

                await server.AcceptAsync("you@example.org", new string('x', 900).Insert(450, "\n") + string.Concat(Enumerable.Repeat("\n" + new string('y', 70), 6000)));
                await server.WaitForMailAsync("you", 3);
                // The tracer goes when the server does, which is its only child.
                int parent = int.Parse(File.ReadAllText($"/proc/{server.ProcessId}/task/{server.ProcessId}/children"), CultureInfo.InvariantCulture);
                await Tool.RunAsync("kill", "-TERM", parent.ToString(CultureInfo.InvariantCulture));
                Assert.Equal(0, await server.WaitForExitAsync());
            }

            Trace seen = Read(File.ReadLines(trace));
            string all = string.Join('\n', seen.Roles.Distinct());
            foreach (string role in (string[])["parent", "engine", "keys", "worker"]) Assert.True(seen.Roles.Contains(role), $"no {role} among\n{all}");

            // The engine: its spool, the system, itself; no key, no mailbox, not even by trying.
            string[] allowed = [spool, "/usr/", "/lib", "/etc/", "/proc/", "/sys/", "/dev/null", "/dev/urandom", "/dev/random", "/memfd:", .. Managed()];
            Assert.All(seen.Opened("engine"), path => Assert.Contains(allowed, prefix => path.StartsWith(prefix, StringComparison.Ordinal)));
            Assert.Contains(seen.Opened("engine"), path => path.StartsWith(spool, StringComparison.Ordinal));
            Assert.DoesNotContain(seen.CallsOf("engine"), call => call.Contains(key, StringComparison.Ordinal) || call.Contains(folder + "/mail", StringComparison.Ordinal) || call.Contains("shadow", StringComparison.Ordinal));
            Assert.DoesNotContain(seen.CallsOf("engine"), static call => call.StartsWith("exec", StringComparison.Ordinal) || call.StartsWith("fork", StringComparison.Ordinal) || call.StartsWith("vfork", StringComparison.Ordinal));

            // The holder of keys gets them as descriptors, and opens nothing once it serves.
            Assert.DoesNotContain(seen.CallsOf("keys"), call => call.Contains(key, StringComparison.Ordinal));
            Assert.All(seen.OpenedSealed("keys"), path => Assert.Contains(Managed(), prefix => path.StartsWith(prefix, StringComparison.Ordinal)));

            // The parent opens the key, and takes nobody's connection; a worker opens the mailbox and no part of the spool.
            Assert.Contains(key, seen.Opened("parent"));
            Assert.DoesNotContain(seen.CallsOf("parent"), static call => call.StartsWith("accept", StringComparison.Ordinal));
            Assert.Contains(seen.Opened("worker"), path => path.StartsWith(folder + "/mail/you", StringComparison.Ordinal));
            Assert.DoesNotContain(seen.Opened("worker"), path => path.StartsWith(spool, StringComparison.Ordinal) || path == key);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(trace)!, recursive: true);
        }
    }

    // A build that is not native loads its code when it first uses it.
    private static string[] Managed() => SourceTree.Executable.Contains("/bin/Debug/", StringComparison.Ordinal)
        ? [Path.GetDirectoryName(SourceTree.Executable) + "/", Path.GetFullPath(Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "../../..")) + "/"]
        : [];

    private static Trace Read(IEnumerable<string> lines)
    {
        Trace trace = new();
        Dictionary<int, string> unfinished = [];
        foreach (string line in lines)
        {
            if (s_call.Match(line) is not { Success: true } match) continue;
            int thread = int.Parse(match.Groups["thread"].Value, CultureInfo.InvariantCulture);
            string call = match.Groups["call"].Value;
            if (call.EndsWith(" <unfinished ...>", StringComparison.Ordinal))
            {
                unfinished[thread] = call[..^" <unfinished ...>".Length];
                // A child's first call may stand before the end of what made it.
                continue;
            }

            if (s_resumed.Match(call) is { Success: true } resumed) call = unfinished.GetValueOrDefault(thread, "") + resumed.Groups["rest"].Value;
            trace.Add(thread, call);
        }

        return trace;
    }

    private sealed class Trace
    {
        private readonly List<(int Thread, string Call)> _calls = [];
        private readonly Dictionary<int, int> _makers = [];
        private readonly Dictionary<int, string> _roles = [];

        internal IEnumerable<string> Roles => _calls.Select(call => RoleOf(call.Thread));

        internal void Add(int thread, string call)
        {
            if (s_started.Match(call) is { Success: true } started) _makers.TryAdd(int.Parse(started.Groups["child"].Value, CultureInfo.InvariantCulture), thread);
            if (s_became.Match(call) is { Success: true } became)
            {
                string arguments = became.Groups["arguments"].Value;
                _roles[thread] = arguments.Contains("\"--role=engine\"", StringComparison.Ordinal) ? "engine"
                    : !arguments.Contains("\"--role=", StringComparison.Ordinal) ? "parent"
                    : arguments.Contains("\"keys\"", StringComparison.Ordinal) ? "keys"
                    : arguments.Contains("\"worker\"", StringComparison.Ordinal) ? "worker" : "child";
                return;
            }

            _calls.Add((thread, call));
        }

        internal IEnumerable<string> CallsOf(string role) => _calls.Where(call => RoleOf(call.Thread) == role).Select(static call => call.Call);

        internal IEnumerable<string> Opened(string role) => Opened(CallsOf(role));

        // What was opened after the process had given up system calls.
        internal IEnumerable<string> OpenedSealed(string role)
        {
            string[] calls = [.. CallsOf(role)];
            int at = Array.FindIndex(calls, static call => call.StartsWith("seccomp(SECCOMP_SET_MODE_FILTER", StringComparison.Ordinal) && call.EndsWith("= 0", StringComparison.Ordinal));
            Assert.True(at >= 0, $"{role} has given up nothing");
            return Opened(calls[(at + 1)..]);
        }

        // A path only named (for the rules of Landlock, before it becomes what it is) is not open.
        private static IEnumerable<string> Opened(IEnumerable<string> calls) =>
            from call in calls
            where !call.Contains("O_PATH", StringComparison.Ordinal)
            let match = s_opened.Match(call)
            where match.Success
            select match.Groups["path"].Value;

        private string RoleOf(int thread)
        {
            for (int at = thread; ;)
            {
                if (_roles.TryGetValue(at, out string? role)) return role;
                if (!_makers.TryGetValue(at, out at)) return "unknown";
            }
        }
    }
}
