using System.Net.Sockets;
using CsCheck;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Posthouse.Server.Hosting;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Tests.Native;
using Posthouse.Tests.Processes;

namespace Posthouse.Tests.Hosting;

/// <summary>Plugs across the boundary: the engine's end and the parent's, in one process.</summary>
[Collection(ProcessCollection.Name)]
public sealed class ParentPlugsTests : IAsyncDisposable
{
    private static readonly PlugCommand s_cat = new("cat");
    private static readonly PlugCommand s_end = new("sh -c 'echo why >&2; exit 3'") { Instances = 2 };
    private static readonly PlugCommand s_stubborn = new("sh -c 'trap \"echo told\" TERM; echo ready; while :; do read line && echo \"$line\"; done'");

    private readonly FakeTimeProvider _time = new();
    private readonly PlugDefinitions _definitions = new();
    private readonly ParentPlugs _plugs;
    private readonly Channel _parent;
    private readonly Channel _engine;
    private readonly RemotePlugStarter _starter;

    public ParentPlugsTests()
    {
        _plugs = new(_definitions, new(ServerUsers.None, OwnExecutable.Default, NullLogger.Instance), _time, slack: 1);
        Assert.Equal(0, PacketSocket.Pair(out int ours, out int theirs));
        _parent = new(ours, "engine", (request, _) => _plugs.ServeAsync(request), NullLogger.Instance);
        _engine = new(theirs, "parent", static (_, _) => new(ChannelAnswer.Empty), NullLogger.Instance);
        _starter = new(_engine);
        Use(("cat", s_cat), ("stubborn", s_stubborn), ("end", s_end));
    }

    public async ValueTask DisposeAsync()
    {
        _engine.Dispose();
        _parent.Dispose();
        _plugs.Dispose();
        _time.Advance(PlugChild.Grace);
        await _plugs.Over.WaitAsync(PlugTalk.Patience);
    }

    [Fact]
    public async Task The_engine_talks_with_it_directly()
    {
        using IPlugProcess plug = await _starter.StartAsync(s_cat, "cat");
        Assert.True(Directory.Exists($"/proc/{plug.Id}"));
        Assert.Equal("config|ready", await PlugTalk.AskAsync(plug.Conversation, "config|ready"));
        plug.Conversation.Shutdown(SocketShutdown.Send);
        Assert.Equal(new ProcessEnd(0, 0), await plug.Ended.WaitAsync(PlugTalk.Patience));
        Assert.Equal("", await PlugTalk.ReadAllAsync(plug.Conversation));
    }

    [Fact]
    public async Task Its_errors_and_its_end_are_told()
    {
        using IPlugProcess plug = await _starter.StartAsync(s_end, "end");
        Assert.Equal("why\n", await PlugTalk.ReadAllAsync(plug.Errors!));
        Assert.Equal(new ProcessEnd(3, 0), await plug.Ended.WaitAsync(PlugTalk.Patience));
        plug.Terminate();
    }

    [Fact]
    public async Task Told_to_end_it_ends()
    {
        using IPlugProcess plug = await _starter.StartAsync(s_cat, "cat");
        plug.Terminate();
        plug.Terminate();
        Assert.Equal(new ProcessEnd(0, 15), await plug.Ended.WaitAsync(PlugTalk.Patience));
    }

    [Fact]
    public async Task Let_go_it_ends_and_its_end_is_told_all_the_same()
    {
        IPlugProcess plug = await _starter.StartAsync(s_cat, "cat");
        plug.Dispose();
        plug.Dispose();
        Assert.Contains((await plug.Ended.WaitAsync(PlugTalk.Patience)).Signal, (int[])[0, 15]);
    }

    [Fact]
    public async Task What_does_not_want_to_end_is_killed_by_the_parent_after_5_seconds()
    {
        using IPlugProcess plug = await _starter.StartAsync(s_stubborn, "stubborn");
        Assert.Equal("ready", await PlugTalk.ReadLineAsync(plug.Conversation));
        plug.Terminate();
        Assert.Equal("told", await PlugTalk.ReadLineAsync(plug.Conversation));
        _time.Advance(PlugChild.Grace);
        Assert.Equal(new ProcessEnd(0, 9), await plug.Ended.WaitAsync(PlugTalk.Patience));
    }

    [Fact]
    public async Task With_the_engine_all_end()
    {
        using IPlugProcess one = await _starter.StartAsync(s_cat, "cat");
        using IPlugProcess two = await _starter.StartAsync(s_stubborn, "stubborn");
        Assert.Equal("ready", await PlugTalk.ReadLineAsync(two.Conversation));
        _plugs.Dispose();
        Assert.Equal(new ProcessEnd(0, 15), await one.Ended.WaitAsync(PlugTalk.Patience));
        Assert.Equal("told", await PlugTalk.ReadLineAsync(two.Conversation));
        Assert.Equal("still here", await PlugTalk.AskAsync(two.Conversation, "still here"));
        _time.Advance(PlugChild.Grace);
        Assert.Equal(new ProcessEnd(0, 9), await two.Ended.WaitAsync(PlugTalk.Patience));
        await _plugs.Over.WaitAsync(PlugTalk.Patience);
        Assert.Equal("the server stops", (await _starter.StartAsync("cat", s_cat, 0, CancellationToken.None)).Failure);
    }

    [Fact]
    public async Task Why_it_does_not_start_is_told()
    {
        PlugCommand command = new("no-such-filter");
        Use(("none", command));
        Assert.Equal("no-such-filter: execve: No such file or directory", (await _starter.StartAsync("none", command, 0, CancellationToken.None)).Failure);
        _engine.Dispose();
        Assert.Equal("the parent process does not answer", (await _starter.StartAsync("none", command, 0, CancellationToken.None)).Failure);
    }

    [Fact]
    public async Task Only_what_the_configuration_has_is_started()
    {
        foreach ((string name, PlugCommand command, int instance) in new[]
        {
            ("dog", s_cat, 0), ("cat", s_end, 0), ("cat", s_cat with { User = "root" }, 0), ("cat", s_cat with { Group = "root" }, 0), ("cat", s_cat with { Chroot = "/" }, 0),
            ("cat", s_cat with { Command = "cat " }, 0), ("cat", s_cat, 1), ("end", s_end, 2), ("end", s_end, 63),
        })
            Assert.Equal("the configuration has no such plug", (await _starter.StartAsync(name, command, instance, CancellationToken.None)).Failure);
        // What the engine says beside its name counts for nothing.
        using IPlugProcess plug = await _starter.StartAsync(s_cat with { Instances = 64, Timeout = TimeSpan.FromDays(1), OnFailure = PlugFailurePolicy.Bypass }, "cat");
        using IPlugProcess last = (await _starter.StartAsync("end", s_end, 1, CancellationToken.None)).Process!;
    }

    [Fact]
    public async Task What_is_no_order_is_answered_by_nothing()
    {
        byte[] good = new PlugOrder("cat", PlugOrder.FingerprintOf(s_cat), 0).ToBytes().ToArray();
        byte[][] bad =
        [
            [], good[..^1], [.. good, 0], new PlugOrder("cat", new byte[31], 0).ToBytes().ToArray(), new PlugOrder("cat", new byte[33], 0).ToBytes().ToArray(),
            new PlugOrder("cat", PlugOrder.FingerprintOf(s_cat), -1).ToBytes().ToArray(), new PlugOrder("cat", PlugOrder.FingerprintOf(s_cat), 64).ToBytes().ToArray(),
            new PlugOrder(new('x', PlugOrder.MaxName + 1), PlugOrder.FingerprintOf(s_cat), 0).ToBytes().ToArray(),
        ];
        foreach (byte[] payload in bad)
        {
            using ChannelAnswer? answer = await _engine.AskAsync(MessageKind.StartPlug, payload, PlugTalk.Patience, CancellationToken.None);
            Assert.Equal(0, answer!.Payload.Length);
            Assert.Empty(answer.Descriptors);
        }
        Gen.Byte.Array[0, 100].Sample(static payload => PlugOrder.Parse(payload)?.Instance is null or (>= 0 and < PlugOrder.MaxInstances));
        Assert.Equal("the parent process did not start it", PlugReply.Read(ChannelAnswer.Empty).Failure);
    }

    [Fact]
    public async Task More_than_the_configuration_needs_do_not_run()
    {
        Use(("cat", s_cat));
        _definitions.ForgetEarlier();
        List<IPlugProcess> running = [];
        for (int i = 0; i < 3; i++) running.Add(await _starter.StartAsync(s_cat, "cat"));
        Assert.Equal("3 plugs run already", (await _starter.StartAsync("cat", s_cat, 0, CancellationToken.None)).Failure);
        running[0].Dispose();
        await running[0].Ended.WaitAsync(PlugTalk.Patience);
        // The end is told before the place is free.
        PlugStart again;
        do again = await _starter.StartAsync("cat", s_cat, 0, CancellationToken.None);
        while (again.Failure == "3 plugs run already");
        running.Add(again.Process!);
        foreach (IPlugProcess plug in running) plug.Dispose();
    }

    [Fact]
    public async Task More_than_a_few_are_not_started_at_a_time()
    {
        PlugCommand many = new("cat") { Instances = 64 };
        Use(("many", many));
        ReadOnlyMemory<byte> order = new PlugOrder("many", PlugOrder.FingerprintOf(many), 0).ToBytes();
        (int Process, string? Failure)[] answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(async _ =>
        {
            using ChannelAnswer? answer = await _engine.AskAsync(MessageKind.StartPlug, order, PlugTalk.Patience, CancellationToken.None);
            return PlugReply.Read(answer);
        }));
        Assert.Contains(answers, static answer => answer.Failure is null);
        Assert.Contains(answers, static answer => answer.Failure == "too many plugs are being started");
        // Who asks as it should waits.
        PlugStart[] starts = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => _starter.StartAsync("many", many, i, CancellationToken.None).AsTask()));
        foreach (PlugStart start in starts)
        {
            Assert.Null(start.Failure);
            start.Process!.Dispose();
        }
    }

    private void Use(params (string Name, PlugCommand Command)[] plugs)
    {
        _definitions.Offer(plugs.Select(static plug => KeyValuePair.Create(plug.Name, plug.Command)));
        _definitions.Keep();
    }
}
