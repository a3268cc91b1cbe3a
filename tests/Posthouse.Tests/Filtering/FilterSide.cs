using System.Net.Sockets;
using System.Text;
using Posthouse.Server.Processes;

namespace Posthouse.Tests.Filtering;

/// <summary>One life of a filter, played by a test: lines come in and go out as they are on the wire. Text is Latin-1.</summary>
internal sealed class FilterSide : IPlugProcess
{
    private readonly Socket _ours;
    private readonly TaskCompletionSource<ProcessEnd> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly byte[] _buffer = new byte[80_000];
    private int _start;
    private int _end;

    public FilterSide(int id, int instance)
    {
        (Id, Instance) = (id, instance);
        (_ours, Conversation) = FilterSockets.Pair();
    }

    public int Id { get; }

    public int Instance { get; }

    public Socket Conversation { get; }

    public Socket? Errors => null;

    public Task<ProcessEnd> Ended => _ended.Task;

    public bool WasTerminated { get; private set; }

    /// <summary>Lines that are read but not returned: what a test does not care about.</summary>
    public Predicate<string> Ignored { get; set; } = static _ => false;

    public void Terminate()
    {
        WasTerminated = true;
        Die(signal: 15);
    }

    public void Dispose()
    {
        Die(signal: 9);
        Conversation.Dispose();
    }

    /// <summary>The process is no more.</summary>
    public void Die(int code = 0, int signal = 0)
    {
        // First how it ended: whoever sees the end of the conversation asks for it.
        _ended.TrySetResult(new(code, signal));
        _ours.Dispose();
    }

    /// <summary>Reads the handshake and registers.</summary>
    public async Task<FilterSide> RegisterAsync(params string[] what)
    {
        List<string> lines = [];
        while (lines is not [.., "config|ready"]) lines.Add(await ReadAsync());
        Handshake = [.. lines];
        await SayAsync([.. what.Select(static each => $"register|{each}"), "register|ready"]);
        return this;
    }

    public string[] Handshake { get; private set; } = [];

    public Task SayAsync(params string[] lines) => SayRawAsync(string.Concat(lines.Select(static line => line + "\n")));

    public async Task SayRawAsync(string text) => await _ours.SendAsync(Encoding.Latin1.GetBytes(text));

    /// <summary>The next line.</summary>
    public async Task<string> ReadAsync()
    {
        while (true)
        {
            int end = _buffer.AsSpan(_start, _end - _start).IndexOf((byte)'\n');
            if (end >= 0)
            {
                string line = Encoding.Latin1.GetString(_buffer, _start, end);
                _start += end + 1;
                if (Ignored(line)) continue;
                return line;
            }
            await FillAsync();
        }
    }

    /// <summary>The next bytes, as many as a frame said.</summary>
    public async Task<string> ReadBytesAsync(int count)
    {
        while (_end - _start < count) await FillAsync();
        string text = Encoding.Latin1.GetString(_buffer, _start, count);
        _start += count;
        return text;
    }

    /// <summary>The next line, which is a question of this phase: its token, session and parameters.</summary>
    public async Task<(string Session, string Token, string Parameters)> AskedAsync(string phase)
    {
        string[] fields = (await ReadAsync()).Split('|', 8);
        Assert.Equal(("filter", "0.7", "smtp-in", phase), (fields[0], fields[1], fields[3], fields[4]));
        return (fields[5], fields[6], fields[7]);
    }

    /// <summary>The next line, which is an event: its name and parameters without time and session.</summary>
    public async Task<string> ToldAsync()
    {
        string[] fields = (await ReadAsync()).Split('|', 7);
        Assert.Equal(("report", "0.7", "smtp-in"), (fields[0], fields[1], fields[3]));
        return fields.Length < 7 ? fields[4] : $"{fields[4]}|{fields[6]}";
    }

    /// <summary>Reads the lines of a message up to its dot.</summary>
    public async Task<(string Session, string Token, string[] Lines)> MessageAsync()
    {
        List<string> lines = [];
        while (true)
        {
            (string session, string token, string line) = await AskedAsync("data-line");
            if (line == ".") return (session, token, [.. lines]);
            lines.Add(line);
        }
    }

    /// <summary>Completes when the server has closed its end.</summary>
    public async Task<bool> EndsAsync()
    {
        _start = _end = 0;
        return await _ours.ReceiveAsync(_buffer).WaitAsync(TimeSpan.FromSeconds(60)) == 0;
    }

    private async Task FillAsync()
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
        }
        int got = await _ours.ReceiveAsync(_buffer.AsMemory(_end)).AsTask().WaitAsync(TimeSpan.FromSeconds(60));
        Assert.True(got > 0, $"the server closed the conversation after {Encoding.Latin1.GetString(_buffer, 0, _end)}");
        _end += got;
    }
}
