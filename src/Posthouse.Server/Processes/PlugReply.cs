namespace Posthouse.Server.Processes;

/// <summary>The parent's answer to a <see cref="PlugOrder"/>: the process id, with the descriptors of conversation, errors and status; or why there is none.</summary>
internal static class PlugReply
{
    /// <summary>How many descriptors come with a process.</summary>
    internal const int Descriptors = 3;

    private const int MaxFailure = 4096;

    internal static ReadOnlyMemory<byte> Started(int process) => new PayloadWriter().Flag(true).Number(process).Payload;

    internal static ChannelAnswer Failed(string why) => new(new PayloadWriter().Flag(false).Text(why.Length > MaxFailure / 4 ? why[..(MaxFailure / 4)] : why).Payload);

    /// <summary>The process id, or the failure.</summary>
    internal static (int Process, string? Failure) Read(ChannelAnswer? answer)
    {
        if (answer is null) return (0, "the parent process does not answer");
        PayloadReader reader = new(answer.Payload.Span);
        bool isStarted = reader.Flag();
        int process = isStarted ? reader.Number() : 0;
        string? failure = isStarted ? null : reader.Lines(MaxFailure);
        return reader.IsWhole && answer.Descriptors.Length == (isStarted ? Descriptors : 0) ? (process, failure) : (0, "the parent process did not start it");
    }
}
