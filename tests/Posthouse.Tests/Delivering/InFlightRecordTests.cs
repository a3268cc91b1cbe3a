using Posthouse.Plugs;
using Posthouse.Server.Delivering;
using Posthouse.Server.Model;
using Posthouse.Server.Queueing;

namespace Posthouse.Tests.Delivering;

public sealed class InFlightRecordTests : IDisposable
{
    private static readonly EnvelopeId s_one = new(0x0123456789abcdef), s_two = new(0x1123456789abcdef), s_three = new(0x2123456789abcdef);

    private readonly string _folder = Directory.CreateTempSubdirectory("posthouse-inflight-").FullName;
    private readonly RecordingLogger _log = new();

    private string FilePath => Path.Combine(_folder, "inflight");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void What_is_in_flight_at_two_crashes_is_to_be_suspended_and_nothing_else()
    {
        using (InFlightRecord record = Open(crashed: false))
        {
            int done = record.Enter(s_three);
            record.Enter(s_one);
            record.Enter(s_two);
            record.Leave(done);
        }

        using (InFlightRecord record = Open(crashed: true))
        {
            Assert.Empty(record.Suspended);
            record.Enter(s_one);
            record.Leave(record.Enter(s_two));
        }

        Assert.Contains(_log.Lines, static line => line.Contains("crashed while 2 deliveries", StringComparison.Ordinal));
        using (InFlightRecord record = Open(crashed: true))
            Assert.Equal([s_one], record.Suspended);
    }

    [Fact]
    public void A_kill_or_loss_of_power_counts_for_nothing()
    {
        using (InFlightRecord record = Open(crashed: false)) record.Enter(s_one);
        using (InFlightRecord record = Open(crashed: false)) record.Enter(s_one);
        using (InFlightRecord record = Open(crashed: false)) record.Enter(s_one);
        using (InFlightRecord record = Open(crashed: true))
        {
            Assert.Empty(record.Suspended);
            record.Enter(s_one);
        }

        // Between two crashes there may be any number of other ends.
        using (InFlightRecord record = Open(crashed: false)) record.Enter(s_one);
        using (InFlightRecord record = Open(crashed: true)) Assert.Equal([s_one], record.Suspended);
    }

    [Fact]
    public void Who_was_acquitted_begins_anew()
    {
        using (InFlightRecord record = Open(crashed: false)) record.Enter(s_one);
        using (InFlightRecord record = Open(crashed: true))
        {
            record.Acquit(s_one);
            record.Acquit(s_two);
            record.Enter(s_one);
        }

        using (InFlightRecord record = Open(crashed: true)) Assert.Empty(record.Suspended);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(100)]
    [InlineData(1_000_000)]
    public void A_file_that_is_not_ours_is_replaced(int length)
    {
        byte[] content = new byte[length];
        new Random(length).NextBytes(content);
        File.WriteAllBytes(FilePath, content);
        using (InFlightRecord record = Open(crashed: true))
        {
            Assert.Empty(record.Suspended);
            record.Enter(s_one);
        }

        using (InFlightRecord record = Open(crashed: true)) record.Enter(s_one);
        using (InFlightRecord record = Open(crashed: true)) Assert.Equal([s_one], record.Suspended);
    }

    [Fact]
    public void A_file_of_our_form_with_nonsense_in_it_suspends_nobody()
    {
        using (InFlightRecord record = Open(crashed: false)) record.Enter(s_one);
        byte[] content = File.ReadAllBytes(FilePath);
        new Random(1).NextBytes(content.AsSpan(32));
        File.WriteAllBytes(FilePath, content);
        // What stands in the slots is believed, and suspected once; a count without its check is not.
        using InFlightRecord read = Open(crashed: true);
        Assert.Empty(read.Suspended);
    }

    [Fact]
    public void Links_and_directories_in_its_place_are_not_followed()
    {
        string other = Path.Combine(_folder, "other");
        File.WriteAllText(other, "precious");
        File.CreateSymbolicLink(FilePath, other);
        File.CreateSymbolicLink(FilePath + ".new", other);
        using (InFlightRecord record = Open(crashed: true)) record.Enter(s_one);
        Assert.Equal("precious", File.ReadAllText(other));
        Assert.Null(new FileInfo(FilePath).LinkTarget);

        File.Delete(FilePath);
        Directory.CreateDirectory(FilePath);
        Assert.Null(InFlightRecord.Open(FilePath, true, _log));
        Assert.Contains(_log.Lines, static line => line.Contains("cannot be used", StringComparison.Ordinal));
    }

    [Fact]
    public void More_than_there_is_room_for_is_not_recorded_and_harms_nothing()
    {
        using InFlightRecord record = Open(crashed: false);
        int[] slots = [.. Enumerable.Range(1, InFlightRecord.Slots + 10).Select(number => record.Enter(new((ulong)number << 32 | 1)))];
        Assert.Equal(10, slots.Count(static slot => slot < 0));
        Assert.Equal(InFlightRecord.Slots + 1, slots.Distinct().Count());
        foreach (int slot in slots) record.Leave(slot);
        Assert.True(record.Enter(s_one) >= 0);
    }

    [Fact]
    public void More_suspects_than_can_be_counted_are_no_harm_and_the_likelier_stay()
    {
        using (InFlightRecord record = Open(crashed: false)) Fill(record, 1);
        using (InFlightRecord record = Open(crashed: true)) Fill(record, InFlightRecord.Suspects * 2);
        using (InFlightRecord record = Open(crashed: true)) Assert.Empty(record.Suspended);

        static void Fill(InFlightRecord record, int from)
        {
            for (int i = 0; i < InFlightRecord.Suspects + 100; i++) record.Enter(new((ulong)(from + i) << 32 | 1));
        }
    }

    [Fact]
    public async Task The_dispatcher_suspends_what_is_suspect_and_an_administrator_can_resume_it()
    {
        RamQueue store = new();
        await using DispatcherRig accepting = new(store: store);
        IReadOnlyList<Envelope> envelopes = await accepting.AcceptAsync(2);
        (EnvelopeId id, EnvelopeId other) = (envelopes[0].Id, envelopes[1].Id);
        foreach (bool crashed in (bool[])[false, true])
        {
            using InFlightRecord before = Open(crashed);
            before.Enter(id);
        }

        using InFlightRecord record = Open(crashed: true);
        await using DispatcherRig after = new(store: store, record: record);
        await after.Dispatcher.StartAsync(TestContext.Current.CancellationToken);
        Assert.Equal(other, (await after.Local.NextAsync()).Id);
        Assert.Contains(after.Log.Lines, line => line.Contains($"posthouse ctl resume envelope {id}", StringComparison.Ordinal));
        Envelope kept = Assert.Single(await after.WalkAsync(), envelope => envelope.Id == id);
        Assert.True(kept.Flags.HasFlag(EnvelopeFlags.Suspended));
        Assert.True(EnvelopeSelection.TryParse(id.ToString(), out EnvelopeSelection selection));
        await after.Control.ResumeAsync(selection, TestContext.Current.CancellationToken);
        Assert.Equal(id, (await after.Local.NextAsync()).Id);
    }

    [Fact]
    public async Task The_dispatcher_records_a_delivery_until_its_outcome_is_committed()
    {
        using InFlightRecord record = Open(crashed: false);
        await using DispatcherRig rig = new(record: record);
        bool wasRecorded = false;
        rig.Local.Script = (envelope, _) =>
        {
            wasRecorded = Recorded().SequenceEqual([envelope.Id]);
            return new(DeliveryResult.Delivered());
        };
        await rig.Dispatcher.StartAsync(TestContext.Current.CancellationToken);
        await rig.AcceptAsync();
        await rig.Scheduler.UntilAsync("delete");
        await rig.Dispatcher.DisposeAsync();
        Assert.True(wasRecorded);
        Assert.Empty(Recorded());
    }

    private EnvelopeId[] Recorded() =>
        [.. File.ReadAllBytes(FilePath).AsSpan(32, InFlightRecord.Slots * 8).ToArray().Chunk(8).Select(static slot => new EnvelopeId(BitConverter.ToUInt64(slot))).Where(static id => id.Value != 0)];

    private InFlightRecord Open(bool crashed) => InFlightRecord.Open(FilePath, crashed, _log)!;
}
