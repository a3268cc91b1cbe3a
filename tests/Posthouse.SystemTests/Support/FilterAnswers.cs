using System.Globalization;
using System.Text;

namespace Posthouse.SystemTests.Support;

/// <summary>All that a filter said, in the strict reading of the protocol: what does not belong there is an error. Text is Latin-1.</summary>
public sealed class FilterAnswers
{
    private readonly Dictionary<string, StringBuilder> _messages = [];
    private readonly HashSet<string> _ended = [];

    private FilterAnswers(int exitCode, string error) => (ExitCode, Log) = (exitCode, error);

    public int ExitCode { get; }

    public string Log { get; }

    /// <summary>What was registered, without the word and without ready.</summary>
    public List<string> Registered { get; } = [];

    /// <summary>The answers in their order, as <c>session|token|decision</c> with ids without leading zeros.</summary>
    public List<string> Results { get; } = [];

    /// <summary>The bytes of answers to data, as they came.</summary>
    public StringBuilder Data { get; } = new();

    /// <summary>A message as it goes on, lines ended by LF.</summary>
    public string Message(string session, string token = "d")
    {
        string key = $"{session}|{token}";
        Assert.Contains(key, _ended);
        return _messages.TryGetValue(key, out StringBuilder? message) ? message.ToString() : "";
    }

    public bool HasMessage(string session, string token = "d") => _messages.ContainsKey($"{session}|{token}") || _ended.Contains($"{session}|{token}");

    public static FilterAnswers Parse(int exitCode, string output, string error)
    {
        FilterAnswers answers = new(exitCode, error);
        bool ready = false;
        for (int position = 0; position < output.Length;)
        {
            int end = output.IndexOf('\n', position);
            if (end < 0) Assert.Fail($"the last answer has no end: {output[position..]}");
            string line = output[position..end];
            position = end + 1;
            string[] fields = line.Split('|', 4);
            switch (fields[0])
            {
                case "register":
                    Assert.False(ready, "registered after ready");
                    if (line == "register|ready") ready = true;
                    else answers.Registered.Add(line["register|".Length..]);
                    break;
                case "filter-result":
                    Assert.True(ready && fields.Length == 4, line);
                    answers.Results.Add($"{fields[1].TrimStart('0')}|{fields[2].TrimStart('0')}|{fields[3]}");
                    break;
                case "filter-dataline":
                    answers.Data.Append(line).Append('\n');
                    answers.Take(fields, fields[3] == "." ? null : (fields[3].StartsWith('.') ? fields[3][1..] : fields[3]) + "\r\n");
                    break;
                case "filter-databulk":
                    int length = int.Parse(fields[3], NumberStyles.None, CultureInfo.InvariantCulture);
                    Assert.InRange(length, 0, 65536);
                    answers.Data.Append(line).Append('\n');
                    answers.Take(fields, length == 0 ? null : output.Substring(position, length));
                    position += length;
                    break;
                default:
                    Assert.Fail($"not an answer: {line}\n{error}");
                    break;
            }
        }

        foreach (StringBuilder message in answers._messages.Values)
        {
            string text = message.ToString();
            Assert.True(text.Length == 0 || text.EndsWith("\r\n", StringComparison.Ordinal), text);
            Assert.Equal(-1, text.Replace("\r\n", "", StringComparison.Ordinal).AsSpan().IndexOfAny("\r\n\0"));
            message.Replace("\r\n", "\n");
        }

        return answers;
    }

    public override string ToString() => $"exit {ExitCode}\n{string.Join('\n', Registered)}\n{string.Join('\n', Results)}\n{Data}\n{Log}";

    private void Take(string[] fields, string? part)
    {
        string key = $"{fields[1].TrimStart('0')}|{fields[2].TrimStart('0')}";
        Assert.DoesNotContain(key, _ended);
        if (part is null) _ended.Add(key);
        else if (_messages.TryGetValue(key, out StringBuilder? message)) message.Append(part);
        else _messages[key] = new(part);
    }
}
