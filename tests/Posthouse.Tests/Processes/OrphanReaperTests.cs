using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Tests.Native;

namespace Posthouse.Tests.Processes;

[Collection(ProcessCollection.Name)]
public class OrphanReaperTests
{
    [Fact]
    public async Task A_process_that_inherits_nothing_does_not_wait_for_orphans()
    {
        Assert.False(OrphanReaper.IsNeeded);
        await OrphanReaper.RunAsync(TimeProvider.System, NullLogger.Instance, TestContext.Current.CancellationToken);
    }

    [Fact]
    public Task Orphans_are_reaped_and_own_children_are_left_to_who_waits_for_them() => OwnProcess.RunAsync(typeof(OrphanReaperTests), nameof(Inherits));

    /// <summary>Not a test by itself.</summary>
    [Fact(Explicit = true)]
    public async Task Inherits()
    {
        const int SetChildSubreaper = 36;
        Assert.Equal(0, Libc.prctl(SetChildSubreaper, 1, 0, 0, 0));
        Assert.True(OrphanReaper.IsNeeded);
        FakeTimeProvider time = new();
        using CancellationTokenSource stop = new();
        Task reaping = OrphanReaper.RunAsync(time, NullLogger.Instance, stop.Token);

        // The first is our own zombie all the while, so that orphans must be found behind it.
        int own = Spawn("exit 7");
        await UntilAsync(() => State(own) == 'Z');
        List<int> orphans = [];
        for (int i = 0; i < 5; i++)
        {
            string file = $"{OwnProcess.Folder}/orphan{i}";
            int parent = Spawn($"(echo $BASHPID >{file}.new; mv {file}.new {file}; exit 3) & (sleep 0; exit 4) &");
            await UntilAsync(() => ChildProcess.TryReap(parent, wait: false, out _, out _));
            await UntilAsync(() => File.Exists(file));
            orphans.Add(int.Parse(File.ReadAllText(file)));
        }
        await UntilAsync(() =>
        {
            time.Advance(TimeSpan.FromSeconds(2));
            return Children().SequenceEqual([own]);
        });
        Assert.All(orphans, orphan => Assert.NotEqual('Z', State(orphan)));
        Assert.Equal('Z', State(own));
        Assert.True(ChildProcess.TryReap(own, wait: true, out int code, out int signal));
        Assert.Equal((7, 0), (code, signal));

        // Started and waited for while orphans are reaped: nobody takes another's child.
        Task[] starters = [.. Enumerable.Range(0, 4).Select(worker => Task.Run(() =>
        {
            for (int i = 0; i < 25; i++)
            {
                int child = Spawn($"(exit 1) & exit {i}");
                Assert.True(ChildProcess.TryReap(child, wait: true, out int ended, out _));
                Assert.Equal(i, ended);
            }
        }))];
        Task all = Task.WhenAll(starters);
        while (!all.IsCompleted)
        {
            OwnChildren.ReapInherited();
            await Task.Yield();
        }
        await all;
        await UntilAsync(() =>
        {
            time.Advance(TimeSpan.FromSeconds(2));
            return !Children().Any();
        });
        await stop.CancelAsync();
        await reaping;
    }

    private static int Spawn(string script)
    {
        Assert.Equal(0, ChildProcess.Spawn(["/bin/bash", "-c", script], ["PATH=/usr/bin:/bin"], [0, 1, 2], out int process));
        return process;
    }

    private static char? State(int process)
    {
        try
        {
            string line = File.ReadAllText($"/proc/{process}/stat");
            return line[line.LastIndexOf(')') + 2];
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static IEnumerable<int> Children() =>
        from directory in Directory.EnumerateDirectories("/proc")
        let name = Path.GetFileName(directory)
        where name.All(char.IsAsciiDigit)
        let line = Read(directory)
        let fields = line[(line.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries)
        where fields.Length > 1 && fields[1] == Environment.ProcessId.ToString()
        select int.Parse(name);

    private static string Read(string directory)
    {
        try
        {
            return File.ReadAllText(directory + "/stat");
        }
        catch (IOException)
        {
            return "";
        }
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        using CancellationTokenSource deadline = new(TimeSpan.FromMinutes(1));
        while (!condition()) await Task.Delay(5, deadline.Token);
    }
}
