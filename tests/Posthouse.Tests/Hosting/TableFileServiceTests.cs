using System.Collections.Frozen;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Hosting;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Server.Tables;
using Posthouse.Tests.Tables;

namespace Posthouse.Tests.Hosting;

public sealed class TableFileServiceTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new();
    private readonly TableFileService _service = new();
    private readonly Channel _engine;
    private readonly Channel _parent;

    public TableFileServiceTests()
    {
        Assert.Equal(0, PacketSocket.Pair(out int ours, out int theirs));
        _engine = new(ours, "parent", static (_, _) => new(ChannelAnswer.Empty), NullLogger.Instance);
        _parent = new(theirs, "engine", (request, _) => new(_service.Answer(request)), NullLogger.Instance);
    }

    private TableOptions Options => new() { Time = _time, Files = new RemoteTableFiles(_engine), Scratch = _folder["scratch"] };

    public void Dispose()
    {
        _engine.Dispose();
        _parent.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Text_files_are_read_by_descriptor_and_again_when_they_are_replaced()
    {
        string path = _folder.Write("t", "root joe\n");
        _service.Keep(With("t", TableSource.File, path));
        await using FileTable table = new("t", path, Options);
        Assert.True((await table.UpdateAsync(TestContext.Current.CancellationToken)).IsFound);
        Assert.Equal("joe", await LookAsync(table, "root"));
        _folder.Write("t", "root jane and more\n");
        Assert.Equal("joe", await LookAsync(table, "root"));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("jane and more", await LookAsync(table, "root"));
        File.Delete(path);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("jane and more", await LookAsync(table, "root"));
        Assert.Equal(TableStatus.Error, (await table.UpdateAsync(TestContext.Current.CancellationToken)).Status);
    }

    [Fact]
    public async Task Databases_are_copied_and_leave_nothing_behind()
    {
        string path = _folder["a.db"];
        Build(path, "root: joe\n");
        _service.Keep(With("a", TableSource.Database, path));
        await using DatabaseTable table = new("a", path, Options);
        Assert.Equal("joe", await LookAsync(table, "root"));
        Assert.Empty(Directory.GetFileSystemEntries(_folder["scratch"]));
        Build(path, "root: jane\n");
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("jane", await LookAsync(table, "root"));
        await File.WriteAllTextAsync(path, "nonsense", TestContext.Current.CancellationToken);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("jane", await LookAsync(table, "root"));
        Assert.Contains($"{path}: not a database made by makemap", (await table.UpdateAsync(TestContext.Current.CancellationToken)).Value, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(_folder["scratch"]));
    }

    [Theory]
    [InlineData("t", "/etc/passwd")]
    [InlineData("other", "")]
    [InlineData("t", "")]
    [InlineData("", "")]
    public async Task Nothing_but_what_the_configuration_holds_is_opened(string table, string path)
    {
        _service.Keep(With("t", TableSource.File, _folder.Write("t", "root joe\n")));
        RemoteTableFiles files = new(_engine);
        await Assert.ThrowsAsync<IOException>(async () => await files.OpenAsync(table, path, null, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task While_one_configuration_follows_another_the_tables_of_both_are_opened()
    {
        string old = _folder.Write("old", "root joe\n"), next = _folder.Write("new", "root jane\n");
        ServerConfiguration configuration = With("t", TableSource.File, next);
        _service.Keep(With("t", TableSource.File, old));
        await using FileTable before = new("t", old, Options), after = new("t", next, Options);
        await before.UpdateAsync(TestContext.Current.CancellationToken);
        Assert.Equal(TableStatus.Error, (await after.UpdateAsync(TestContext.Current.CancellationToken)).Status);
        _service.Offer(configuration);
        Assert.True((await after.UpdateAsync(TestContext.Current.CancellationToken)).IsFound);
        _service.Keep(configuration);
        _folder.Write("old", "root somebody else\n");
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("joe", await LookAsync(before, "root"));
        Assert.Equal("jane", await LookAsync(after, "root"));
    }

    [Fact]
    public async Task What_is_no_regular_file_is_refused_and_not_waited_for()
    {
        string pipe = _folder["pipe"];
        using (System.Diagnostics.Process made = System.Diagnostics.Process.Start("mkfifo", pipe)) await made.WaitForExitAsync(TestContext.Current.CancellationToken);
        _service.Keep(With("t", TableSource.File, pipe));
        await using FileTable table = new("t", pipe, Options);
        Assert.Contains("not a regular file", (await table.UpdateAsync(TestContext.Current.CancellationToken)).Value, StringComparison.Ordinal);
    }

    [Fact]
    public void Malformed_questions_are_refused()
    {
        _service.Keep(With("t", TableSource.File, _folder.Write("t", "root joe\n")));
        Random random = new(1);
        byte[] good = new PayloadWriter().Text("t").Text(_folder["t"]).Flag(false).Payload.ToArray();
        using (ChannelAnswer answer = _service.Answer(new(MessageKind.OpenTable, good, []))) Assert.Single(answer.Descriptors);
        for (int i = 0; i < 10_000; i++)
        {
            byte[] bad = [.. good.AsSpan(0, random.Next(good.Length))];
            if (i % 2 == 0) random.NextBytes(bad);
            using ChannelAnswer answer = _service.Answer(new(MessageKind.OpenTable, bad, []));
            Assert.Empty(answer.Descriptors);
        }
    }

    [Fact]
    public async Task A_parent_that_ended_is_an_error_and_the_old_content_stays()
    {
        string path = _folder.Write("t", "root joe\n");
        _service.Keep(With("t", TableSource.File, path));
        await using FileTable table = new("t", path, Options);
        await table.UpdateAsync(TestContext.Current.CancellationToken);
        _parent.Dispose();
        Assert.Contains("does not answer", (await table.UpdateAsync(TestContext.Current.CancellationToken)).Value, StringComparison.Ordinal);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("joe", await LookAsync(table, "root"));
    }

    private static ServerConfiguration With(string name, TableSource source, string path) =>
        new() { Tables = new[] { new TableDefinition(name, TableKind.Mapping, source) { Path = path } }.ToFrozenDictionary(static table => table.Name, StringComparer.Ordinal) };

    private static void Build(string path, string text) =>
        Assert.Empty(TableDatabase.Build(TableSourceText.Parse(System.Text.Encoding.ASCII.GetBytes(text), "/t", TableSourceType.Aliases), path));

    private static async Task<string?> LookAsync(ITable table, string key) => (await table.LookupAsync(TableService.Alias, key, TestContext.Current.CancellationToken)).Value;
}
