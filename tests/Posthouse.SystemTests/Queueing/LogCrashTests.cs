using System.Diagnostics;
using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Plugs;
using Posthouse.Server.Queueing.Log;

namespace Posthouse.SystemTests.Queueing;

/// <summary>The log store in a process of its own that is killed at random moments, under load.</summary>
public sealed class LogCrashTests : IDisposable
{
    private const string DirectoryVariable = "POSTHOUSE_TEST_LOG_DIRECTORY";
    private const int Rounds = 5;
    private const int Writers = 20;

    private readonly string _directory = Directory.CreateTempSubdirectory("posthouse-crash-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task Nothing_acknowledged_is_lost_when_the_process_is_killed()
    {
        var random = new Random();
        for (int round = 0; round < Rounds; round++)
        {
            int before = Acknowledged().Length;
            using Process child = Start();
            // It is killed some time after it began to acknowledge.
            while (Acknowledged().Length == before && !child.HasExited)
                await Task.Delay(5, TestContext.Current.CancellationToken);
            Assert.False(child.HasExited, "the writer ended by itself");
            await Task.Delay(random.Next(400), TestContext.Current.CancellationToken);
            child.Kill();
            await child.WaitForExitAsync(TestContext.Current.CancellationToken);
            await VerifyAsync();
        }

        Assert.True(Acknowledged().Length > Rounds);
    }

    /// <summary>Not a test by itself: what the killed process runs. It writes each answer to a file, which a killed process leaves complete.</summary>
    [Fact(Explicit = true)]
    public async Task Writes_until_it_is_killed()
    {
        string directory = Environment.GetEnvironmentVariable(DirectoryVariable) ?? throw new InvalidOperationException($"{DirectoryVariable} is not set");
        using FileStream answers = new(Path.Combine(directory, "answers"), FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        LogQueue queue = await OpenAsync(directory);
        await Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(async () =>
        {
            for (int i = 0; ; i++)
            {
                EnvelopeId id = EnvelopeId.Draw(MessageId.Draw());
                if (!(await queue.CreateMessageAsync(id.Message)).IsOk) continue;
                await queue.WriteMessageAsync(id.Message, Content(id, writer == 0 && i % 10 == 0));
                queue.CreateEnvelope(id, Json(id));
                Say(answers, 'c', id, await queue.CommitAsync(id.Message));
                if (i % 4 == 1) Say(answers, 'u', id, await queue.UpdateEnvelopeAsync(id, Json(id, "later")));
                if (i % 4 > 1)
                {
                    // Before the delete, because afterwards it may be gone whether it was answered or not.
                    Say(answers, 'b', id, QueueResult.Ok);
                    Say(answers, 'd', id, await queue.DeleteEnvelopeAsync(id));
                }
            }
        })));
    }

    private static void Say(FileStream answers, char what, EnvelopeId id, QueueResult result)
    {
        if (!result.IsOk) return;
        byte[] line = Encoding.ASCII.GetBytes($"{what} {id}\n");
        lock (answers) answers.Write(line);
    }

    private Process Start()
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true };
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet") start.ArgumentList.Add(typeof(LogCrashTests).Assembly.Location);
        foreach (string argument in (string[])["-explicit", "only", "-method", $"{typeof(LogCrashTests).FullName}.{nameof(Writes_until_it_is_killed)}"])
            start.ArgumentList.Add(argument);
        start.Environment[DirectoryVariable] = _directory;
        Process child = Process.Start(start)!;
        child.OutputDataReceived += (_, _) => { };
        child.BeginOutputReadLine();
        return child;
    }

    private string[] Acknowledged()
    {
        string path = Path.Combine(_directory, "answers");
        if (!File.Exists(path)) return [];
        using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        string[] lines = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        return [.. lines.Where(line => line.Length == 18)];
    }

    private async Task VerifyAsync()
    {
        // The last answer that each envelope got says what is to be found of it.
        var last = new Dictionary<EnvelopeId, char>();
        foreach (string line in Acknowledged())
            last[new(ulong.Parse(line.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture))] = line[0];

        await using LogQueue queue = await OpenAsync(_directory);
        var found = new Dictionary<EnvelopeId, ReadOnlyMemory<byte>>();
        EnvelopeId after = default;
        while ((await queue.WalkAsync(after, 1000)).Envelopes is { Count: > 0 } step)
        {
            foreach (StoredEnvelope stored in step)
                found.Add(after = stored.Id, stored.Json);
        }

        byte[] buffer = new byte[2_000_000];
        foreach ((EnvelopeId id, char what) in last)
        {
            bool present = found.TryGetValue(id, out ReadOnlyMemory<byte> json);
            if (what is 'c' or 'u') Assert.True(present, $"{id} was acknowledged and is lost");
            if (what == 'd') Assert.False(present, $"{id} was deleted and is there");
            if (what == 'u') Assert.Equal(Json(id, "later"), json.ToArray());
            if (!present) continue;
            QueueRead read = await queue.ReadMessageAsync(id.Message, 0, buffer);
            Assert.True(read.Result.IsOk, read.Result.Message);
            Assert.True(Content(id, big: read.Count > 100_000).AsSpan().SequenceEqual(buffer.AsSpan(0, read.Count)));
        }

        // What was not answered may be there or not, but not more of it than there were writers.
        int unanswered = found.Keys.Count(id => !last.ContainsKey(id));
        Assert.InRange(unanswered, 0, Writers * Rounds);
    }

    private static async Task<LogQueue> OpenAsync(string directory) => await LogQueue.OpenAsync(
        Path.Combine(directory, "spool"), new LogQueueOptions { SegmentSize = 2 << 20 }, TimeProvider.System, NullLogger.Instance);

    private static byte[] Content(EnvelopeId id, bool big)
    {
        byte[] content = new byte[big ? 1_000_000 : 5000];
        new Random((int)id.Message.Value).NextBytes(content);
        return content;
    }

    private static byte[] Json(EnvelopeId id, string note = "") => Encoding.ASCII.GetBytes($"{{\"id\":\"{id}\",\"note\":\"{note}\"}}");
}
