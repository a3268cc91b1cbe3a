using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;
using Posthouse.Tests.Delivering;
using Posthouse.Tests.Native;

namespace Posthouse.Tests.Processes;

/// <summary>Real programs, started as whoever runs the tests.</summary>
[Collection(ProcessCollection.Name)]
public sealed class LocalPlugStarterTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly LocalPlugStarter _starter;

    public LocalPlugStarterTests() => _starter = new(ServerUsers.None, _time, NullLogger.Instance);

    public void Dispose() => _starter.Dispose();

    [Fact]
    public async Task One_socket_is_its_input_and_its_output()
    {
        using IPlugProcess plug = await _starter.StartAsync(new PlugCommand("cat"));
        Assert.True(plug.Id > 1);
        Assert.Equal("config|ready", await PlugTalk.AskAsync(plug.Conversation, "config|ready"));
        plug.Conversation.Shutdown(SocketShutdown.Send);
        Assert.Equal(new ProcessEnd(0, 0), await plug.Ended.WaitAsync(PlugTalk.Patience));
        Assert.Equal("", await PlugTalk.ReadAllAsync(plug.Conversation));
    }

    [Fact]
    public async Task Its_errors_come_by_themselves()
    {
        using IPlugProcess plug = await _starter.StartAsync(new PlugCommand("sh -c 'echo one >&2; echo two; echo three >&2'"));
        Assert.Equal("two\n", await PlugTalk.ReadAllAsync(plug.Conversation));
        Assert.Equal("one\nthree\n", await PlugTalk.ReadAllAsync(plug.Errors!));
    }

    [Theory]
    [InlineData("sh -c 'exit 3'", 3, 0)]
    [InlineData("sh -c 'kill -9 $$'", 0, 9)]
    [InlineData("sh -c 'kill -11 $$'", 0, 11)]
    [InlineData("true", 0, 0)]
    [InlineData("/no/such/filter 2>/dev/null", 127, 0)]
    public async Task How_it_ended_is_told(string command, int code, int signal) =>
        Assert.Equal(new ProcessEnd(code, signal), (await _starter.RunAsync(new(command))).End);

    [Theory]
    [InlineData("no-such-filter", "no-such-filter: execve: No such file or directory")]
    [InlineData("/no/such/filter", "/no/such/filter: execve: No such file or directory")]
    [InlineData("no/such/filter", "/usr/local/libexec/posthouse/no/such/filter: execve: No such file or directory")]
    [InlineData("/etc/passwd", "/etc/passwd: execve: Permission denied")]
    [InlineData("cat 'x", "a quote in the command is not closed")]
    public async Task What_cannot_start_says_why(string command, string why)
    {
        PlugStart start = await _starter.StartAsync("plug", new(command), 0, CancellationToken.None);
        Assert.Null(start.Process);
        Assert.Equal(why, start.Failure);
    }

    [Fact]
    public async Task It_inherits_its_standard_streams_and_nothing_else()
    {
        using FileStream open = File.OpenRead("/dev/zero");
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        string[] lines = (await _starter.RunAsync(new("ls -l /proc/self/fd"))).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string[] targets = [.. lines.Where(static line => line.Contains(" -> ", StringComparison.Ordinal)).Select(static line => line[(line.LastIndexOf(' ') + 1)..])];
        // The last is the directory that is being listed.
        Assert.Equal(4, targets.Length);
        Assert.StartsWith("socket:", targets[0], StringComparison.Ordinal);
        Assert.Equal(targets[0], targets[1]);
        Assert.StartsWith("socket:", targets[2], StringComparison.Ordinal);
        Assert.NotEqual(targets[0], targets[2]);
        Assert.StartsWith("/proc/", targets[3], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Its_environment_is_the_path_its_directory_the_root_and_it_can_gain_nothing()
    {
        string path = string.Join(':', PlugCommandLine.Directories);
        Assert.StartsWith("/usr/local/libexec/posthouse:/usr/libexec/posthouse:/usr/local/libexec/smtpd:/usr/libexec/opensmtpd:/usr/lib/opensmtpd:", path, StringComparison.Ordinal);
        Assert.Equal($"PATH={path}\n", (await _starter.RunAsync(new("env"))).Output);
        Assert.Equal("/\n", (await _starter.RunAsync(new("/bin/pwd"))).Output);
        string status = (await _starter.RunAsync(new("cat /proc/self/status"))).Output;
        Assert.Contains("NoNewPrivs:\t1\n", status, StringComparison.Ordinal);
        Assert.Contains("SigBlk:\t0000000000000000\n", status, StringComparison.Ordinal);
        string ignored = status.Split('\n').First(static line => line.StartsWith("SigIgn:", StringComparison.Ordinal)).Split('\t')[1];
        // posix_spawn(3) of glibc leaves signal 32, which is its own, ignored.
        Assert.Equal(0, Convert.ToInt64(ignored, 16) & ~(1L << 31));
    }

    [Fact]
    public async Task It_has_a_session_and_a_process_group_of_its_own()
    {
        using IPlugProcess plug = await _starter.StartAsync(new PlugCommand("cat /proc/self/stat"));
        string[] fields = (await PlugTalk.ReadLineAsync(plug.Conversation)).Split(' ');
        Assert.Equal([$"{plug.Id}", $"{plug.Id}", $"{plug.Id}"], [fields[0], fields[4], fields[5]]);
    }

    [Theory]
    [InlineData("echo one two | tr a-z A-Z", "ONE TWO\n")]
    [InlineData("echo $((6*7))", "42\n")]
    [InlineData("LEVEL='a b' sh -c 'echo \"$LEVEL\"'", "a b\n")]
    [InlineData("printf '%s/' 'a b' \"c\" d\\ e", "a b/c/d e/")]
    public async Task Its_command_is_run_as_a_shell_would(string command, string output) => Assert.Equal(output, (await _starter.RunAsync(new(command))).Output);

    [Fact]
    public async Task Told_to_end_it_ends_with_its_children()
    {
        using IPlugProcess plug = await _starter.StartAsync(new PlugCommand("sh -c 'sh -c \"sleep 1000 & echo ready; wait\" & wait'"));
        Assert.Equal("ready", await PlugTalk.ReadLineAsync(plug.Conversation));
        plug.Terminate();
        plug.Terminate();
        Assert.Equal(new ProcessEnd(0, 15), await plug.Ended.WaitAsync(PlugTalk.Patience));
        // All of them hold the socket: its end is the end of the last.
        Assert.Equal("", await PlugTalk.ReadAllAsync(plug.Conversation));
        plug.Terminate();
    }

    [Fact]
    public async Task What_it_leaves_behind_is_killed()
    {
        using IPlugProcess plug = await _starter.StartAsync(new PlugCommand("sh -c '(trap \"\" TERM; echo here; exec sleep 1000) & read line; exit 4'"));
        Assert.Equal("here", await PlugTalk.ReadLineAsync(plug.Conversation));
        plug.Conversation.Shutdown(SocketShutdown.Send);
        Assert.Equal(new ProcessEnd(4, 0), await plug.Ended.WaitAsync(PlugTalk.Patience));
        Assert.Equal("", await PlugTalk.ReadAllAsync(plug.Conversation));
    }

    [Fact]
    public async Task What_does_not_want_to_end_is_killed_after_5_seconds()
    {
        using IPlugProcess plug = await _starter.StartAsync(new PlugCommand("sh -c 'trap \"\" TERM; echo ready; exec cat'"));
        Assert.Equal("ready", await PlugTalk.ReadLineAsync(plug.Conversation));
        plug.Terminate();
        _time.Advance(TimeSpan.FromMilliseconds(4999));
        Assert.Equal("still here", await PlugTalk.AskAsync(plug.Conversation, "still here"));
        Assert.False(plug.Ended.IsCompleted);
        // Being told again gives it no more time.
        plug.Terminate();
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(new ProcessEnd(0, 9), await plug.Ended.WaitAsync(PlugTalk.Patience));
    }

    [Fact]
    public async Task A_time_to_end_can_be_used()
    {
        using IPlugProcess plug = await _starter.StartAsync(new PlugCommand("sh -c 'trap \"echo bye; exit 7\" TERM; echo ready; while :; do read line; done'"));
        Assert.Equal("ready", await PlugTalk.ReadLineAsync(plug.Conversation));
        plug.Terminate();
        plug.Conversation.Shutdown(SocketShutdown.Send);
        Assert.Equal("bye", await PlugTalk.ReadLineAsync(plug.Conversation));
        Assert.Equal(new ProcessEnd(7, 0), await plug.Ended.WaitAsync(PlugTalk.Patience));
    }

    [Fact]
    public async Task Who_is_disposed_ends_and_says_so()
    {
        IPlugProcess plug = await _starter.StartAsync(new PlugCommand("sleep 1000"));
        plug.Dispose();
        plug.Dispose();
        Assert.Equal(new ProcessEnd(0, 15), await plug.Ended.WaitAsync(PlugTalk.Patience));
        plug.Terminate();
    }

    [Fact]
    public async Task With_the_starter_all_end_and_nothing_starts()
    {
        using IPlugProcess one = await _starter.StartAsync(new PlugCommand("sh -c 'trap \"\" TERM; exec sleep 1000'"));
        using IPlugProcess two = await _starter.StartAsync(new PlugCommand("sleep 1000"));
        _starter.Dispose();
        Assert.Equal(9, (await one.Ended.WaitAsync(PlugTalk.Patience)).Signal);
        Assert.Equal(9, (await two.Ended.WaitAsync(PlugTalk.Patience)).Signal);
        Assert.Equal("the server stops", (await _starter.StartAsync("plug", new("cat"), 0, CancellationToken.None)).Failure);
    }

    [Fact]
    public async Task Who_gives_up_gets_nothing() =>
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await _starter.StartAsync("plug", new("cat"), 0, new(canceled: true)));

    [Fact]
    public async Task Much_is_written_both_ways_at_once()
    {
        using IPlugProcess plug = await _starter.StartAsync(new PlugCommand("cat"));
        byte[] sent = [.. Enumerable.Range(0, 4 << 20).Select(static i => (byte)(i * 31 >> 3))];
        Task sending = Task.Run(async () =>
        {
            for (int done = 0; done < sent.Length;) done += await plug.Conversation.SendAsync(sent.AsMemory(done));
            plug.Conversation.Shutdown(SocketShutdown.Send);
        });
        MemoryStream got = new();
        byte[] block = new byte[64 << 10];
        for (int count; (count = await plug.Conversation.ReceiveAsync(block)) > 0;) got.Write(block, 0, count);
        await sending;
        Assert.True(sent.AsSpan().SequenceEqual(got.ToArray()));
    }

    [Fact]
    public async Task Without_a_user_for_plugs_the_log_says_once_that_they_are_not_separated()
    {
        RecordingLogger log = new();
        using LocalPlugStarter starter = new(ServerUsers.None, _time, log);
        PlugCommand command = new("true") { User = "no-such-user", Group = "no-such-group", Chroot = "/no/such/directory" };
        for (int i = 0; i < 2; i++) Assert.Equal(0, (await starter.RunAsync(command)).End.Code);
        Assert.Single(log.Lines, static line => line.Contains("without user, group or chroot", StringComparison.Ordinal));
    }
}
