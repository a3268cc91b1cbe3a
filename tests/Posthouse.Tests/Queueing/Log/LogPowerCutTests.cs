using Posthouse.Plugs;
using Posthouse.Server.Native;

namespace Posthouse.Tests.Queueing.Log;

public class LogPowerCutTests
{
    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 4)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task What_was_acknowledged_survives_a_power_cut_at_any_operation(int seed)
    {
        for (int round = 0; round < 5; round++)
        {
            var random = new Random((seed * 1000) + round);
            var files = new PowerCutFiles();
            var model = new LogModel(files, random);
            int operations = random.Next(5, 300);
            PowerCutFiles? cut = null, killed = null;
            Dictionary<EnvelopeId, List<string?>> possible = [];
            files.Before = (_, _) =>
            {
                if (--operations != 0) return;
                possible = model.Possible();
                cut = files.Cut(random);
                killed = files.Copy();
            };
            await model.WorkAsync(120);
            await model.VerifyAsync(model.Queue, model.Possible());
            await model.Queue.DisposeAsync();
            if (cut == null) continue;
            await model.VerifyAsync(cut, possible);
            await model.VerifyAsync(killed!, possible);
            // What recovery did to the files must be as good.
            await model.VerifyAsync(cut.Cut(random), possible);
        }
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task A_closed_store_opens_as_it_was(int seed)
    {
        var files = new PowerCutFiles();
        var model = new LogModel(files, new Random(seed));
        for (int round = 0; round < 4; round++)
        {
            await model.WorkAsync(60);
            await model.ReopenAsync();
            await model.VerifyAsync(model.Queue, model.Possible());
        }

        await model.Queue.DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task What_was_refused_stays_away_and_the_store_goes_on(int seed)
    {
        for (int round = 0; round < 4; round++)
        {
            var random = new Random((seed * 1000) + round);
            var files = new PowerCutFiles();
            var model = new LogModel(files, random);
            int error = random.Next(2) == 0 ? Errno.InputOutput : Errno.NoSpace;
            string failing = random.Next(3) switch { 0 => "write", 1 => "sync", _ => "create" };
            int quiet = random.Next(1, 40);
            files.ShortWrite = random.Next(2_000);
            // One failure at a time: the operations that repair it succeed.
            files.Before = (operation, _) =>
            {
                if (operation == failing && --quiet == 0)
                {
                    quiet = random.Next(6, 40);
                    throw PowerCutFiles.Failure(error);
                }
            };
            await model.WorkAsync(100);
            files.Before = null;
            await model.VerifyAsync(model.Queue, model.Possible());
            await model.VerifyAsync(files.Copy(), model.Possible());
            await model.VerifyAsync(files.Cut(random), model.Possible());
            await model.ReopenAsync();
            await model.VerifyAsync(model.Queue, model.Possible());
            await model.Queue.DisposeAsync();
            Assert.True(model.Successes > model.Failures);
        }
    }

    [Fact]
    public async Task A_full_disk_refuses_until_there_is_room_and_leaves_no_files()
    {
        var files = new PowerCutFiles { ShortWrite = 100 };
        var model = new LogModel(files, new Random(1));
        await model.CommitAsync(2);
        files.Before = (operation, _) =>
        {
            if (operation is "write" or "create") throw PowerCutFiles.Failure(Errno.NoSpace);
        };
        int before = files.List("").Count;
        for (int i = 0; i < 20; i++) await model.CommitAsync(1);
        Assert.Equal(20, model.Failures);
        Assert.Equal(before, files.List("").Count);
        files.Before = null;
        await model.CommitAsync(3);
        Assert.Equal(20, model.Failures);
        await model.VerifyAsync(files.Cut(new Random(1)), model.Possible());
        await model.Queue.DisposeAsync();
    }

    [Fact]
    public async Task A_disk_that_fails_for_long_is_survived_without_piling_up_segments()
    {
        var files = new PowerCutFiles();
        var model = new LogModel(files, new Random(1));
        await model.CommitAsync(3);
        files.Before = (operation, path) =>
        {
            if (operation == "sync" && path.EndsWith(".segment", StringComparison.Ordinal)) throw PowerCutFiles.Failure(Errno.InputOutput);
        };
        for (int i = 0; i < 100; i++) await model.CommitAsync(1);
        files.Before = null;
        await model.CommitAsync(3);
        await model.Queue.Housekeeper.TidyAsync();
        Assert.InRange(files.List("").Count, 1, 3);
        await model.VerifyAsync(files.Copy(), model.Possible());
        await model.Queue.DisposeAsync();
    }

    [Fact]
    public async Task Segments_go_when_nothing_needs_them()
    {
        var random = new Random(3);
        var files = new PowerCutFiles();
        var model = new LogModel(files, random);
        await model.CommitAsync(1);
        EnvelopeId[] stragglers = [.. model.Possible().Keys];
        for (int i = 0; i < 200; i++)
        {
            await model.CommitAsync(2);
            foreach ((EnvelopeId id, List<string?> states) in model.Possible())
            {
                if (states[^1] != null && !stragglers.Contains(id)) await model.DeleteAsync(id);
            }

            if (i % 10 == 0) await model.Queue.Housekeeper.TidyAsync();
        }

        await model.Queue.Housekeeper.TidyAsync();
        // The segment in use, a few whose tombstones wait, and what is compacted next.
        Assert.InRange(files.List("").Count, 1, 10);
        Assert.Empty(files.List("bodies"));
        await model.VerifyAsync(files.Copy(), model.Possible());
        await model.ReopenAsync();
        await model.VerifyAsync(model.Queue, model.Possible());
        await model.Queue.DisposeAsync();
    }
}
