using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Hosting;

/// <summary>What came of a reload, as the processes tell each other.</summary>
internal static class ReloadAnswer
{
    private const int MaxText = 32 << 10;
    private const int MaxUnchanged = 32;

    internal static ReadOnlyMemory<byte> ToBytes(ReloadResult result)
    {
        PayloadWriter writer = new PayloadWriter().Number(Math.Min(result.Unchanged.Count, MaxUnchanged));
        foreach (string unchanged in result.Unchanged.Take(MaxUnchanged)) writer.Text(Cut(unchanged, 256));
        writer.Flag(result.Fault is not null);
        if (result.Fault is { } fault) writer.Flag(fault.IsPermanent).Text(Cut(fault.PublicText, 1024)).Text(Cut(fault.Detail ?? fault.PublicText, 8192));
        return writer.Payload;
    }

    /// <summary>Null when it is malformed: the other side has failed.</summary>
    internal static ReloadResult? Parse(ReadOnlySpan<byte> payload)
    {
        PayloadReader reader = new(payload);
        string[] unchanged = new string[reader.Count(MaxUnchanged)];
        for (int i = 0; i < unchanged.Length; i++) unchanged[i] = reader.Lines(MaxText);
        Fault? fault = null;
        if (reader.Flag())
        {
            bool isPermanent = reader.Flag();
            string text = reader.Lines(MaxText), detail = reader.Lines(MaxText);
            fault = isPermanent ? Fault.Permanent(text, detail) : Fault.Temporary(text, detail);
        }
        return reader.IsWhole ? new(fault, unchanged) : null;
    }

    private static string Cut(string text, int length) => text.Length <= length ? text : text[..length] + "…";
}
