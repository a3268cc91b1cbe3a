using Posthouse.Plugs;
using Posthouse.Wire;

namespace Posthouse.Server.Filtering;

/// <summary>A message on its way through the filters that want its lines, all at once: each gets what the one before it has let out so far.</summary>
public sealed class MessageFiltering
{
    internal MessageFiltering(IReadOnlyList<FilterLink> links, Func<ReadOnlyMemory<byte>, ValueTask> output, FilterEnvironment environment, MessageId message)
    {
        throw new InvalidOperationException();
    }

    /// <summary>Takes content: lines that end with CRLF, dots unstuffed, cut anywhere. The bytes may be reused when the task completes; waiting is the filters' back-pressure.</summary>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> content) => default;

    /// <summary>
    /// Ends the content, which is empty or ends with CRLF, and waits for all the filters. Null when all of it went to the output; else the message fails with this reply. The commit phase is to be asked either way.
    /// </summary>
    public ValueTask<SmtpReply?> CompleteAsync() => default;

    /// <summary>The message is refused already: what filters make of it is not wanted. They still get its end by <see cref="CompleteAsync"/>.</summary>
    public void Discard()
    {
    }

    /// <summary>The client is gone: nothing more comes.</summary>
    public void Abandon()
    {
    }
}
