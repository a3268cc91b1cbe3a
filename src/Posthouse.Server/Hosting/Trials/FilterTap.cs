using System.Text;
using Posthouse.Server.Control;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Hosting.Trials;

/// <summary>Starts a filter with a relay between it and the server, which tells every line that passes, and kills the filter when it is time.</summary>
internal sealed class FilterTap(IPlugStarter starter, CrashPoint? crash, Action<TrialLine> said) : IPlugStarter
{
    private readonly GivenMessage _given = new();
    private readonly Lock _lock = new();
    private int _kills;
    private int _ready;
    private int _seen;

    /// <summary>Whether the filter has been killed, and has not yet been ready again.</summary>
    internal bool IsAwaited
    {
        get
        {
            lock (_lock) return _ready <= _kills;
        }
    }

    /// <summary>The last message that the filter was given as a whole.</summary>
    internal ReadOnlyMemory<byte>? Given
    {
        get
        {
            lock (_lock) return _given.Last;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<PlugStart> StartAsync(string name, PlugCommand command, int instance, CancellationToken cancellation)
    {
        PlugStart start = await starter.StartAsync(name, command, instance, cancellation);
        if (start.Process is not { } process) return start;
        if (DescriptorPair.Sockets(out int ours, out int theirs) is not 0 and int error)
        {
            process.Dispose();
            return new(null, Errno.Text(error));
        }
        lock (_lock)
            if (crash is { IsEveryTime: true }) _seen = 0;
        return new(new TappedProcess(this, process, FilterTrial.ToSocket(ours), FilterTrial.ToSocket(theirs)), null);
    }

    /// <summary>A line that is about to go to the filter. True: with it the filter is to be killed.</summary>
    internal bool Tell(ReadOnlySpan<byte> line)
    {
        said(new(TrialSource.ToFilter, Text(line)));
        ReadOnlySpan<byte> kind = FilterStream.Field(line, 0), word = FilterStream.Field(line, 4);
        bool isQuestion = kind.SequenceEqual("filter"u8);
        if (!isQuestion && !kind.SequenceEqual("report"u8)) return false;
        lock (_lock)
        {
            if (isQuestion && word.SequenceEqual("data-line"u8)) _given.TakeLine(FilterStream.Field(line, 6), FilterStream.From(line, 7));
            else if (isQuestion && word.SequenceEqual("data-bulk"u8)) _given.TakeChunk(FilterStream.Field(line, 6), FilterStream.PayloadOf(line) == 0);
            if (crash is null || (_kills > 0 && !crash.IsEveryTime) || !crash.Covers(word) || ++_seen != crash.Occurrence) return false;
            _kills++;
        }
        said(new(TrialSource.Log, $"the filter is killed here, at {crash.Word}"));
        return true;
    }

    /// <summary>Bytes of a payload to the filter.</summary>
    internal void TellPayload(ReadOnlySpan<byte> bytes)
    {
        lock (_lock) _given.Take(bytes);
    }

    /// <summary>A line of the filter.</summary>
    internal void Hear(ReadOnlySpan<byte> line)
    {
        said(new(TrialSource.FromFilter, Text(line.TrimEnd((byte)'\r'))));
        if (!line.TrimEnd((byte)'\r').SequenceEqual("register|ready"u8)) return;
        lock (_lock) _ready++;
    }

    private static string Text(ReadOnlySpan<byte> line)
    {
        string text = QueueLine.Visible(Encoding.UTF8.GetString(line));
        return FilterStream.PayloadOf(line) is > 0 and var length ? $"{text} ({length} bytes)" : text;
    }
}
