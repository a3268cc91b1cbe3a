using System.Text.Json;
using Posthouse.Server.Filtering;

namespace Posthouse.Server.Control;

/// <summary>
/// A line to a client of the control socket. A request is answered by any number of lines that carry something, and one
/// last line in which <see cref="Ok"/> is set.
/// </summary>
public sealed record ControlReply
{
    /// <summary>On the last line: whether it was done.</summary>
    public bool? Ok { get; init; }

    /// <summary>Why it was not.</summary>
    public string? Error { get; init; }

    /// <summary>How many envelopes it concerned.</summary>
    public int? Count { get; init; }

    /// <summary>An envelope, as it is stored.</summary>
    public JsonElement? Envelope { get; init; }

    /// <summary>Where the envelope stands: <c>pending</c>, <c>inflight</c>, <c>held</c>, <c>suspended</c>; null when the scheduler does not know it.</summary>
    public string? State { get; init; }

    /// <summary>When the envelope is tried next, in seconds since 1970.</summary>
    public long? NextTry { get; init; }

    /// <summary>The name of a counter or service.</summary>
    public string? Name { get; init; }

    /// <summary>The counter's value; of a service 1 when it runs, 0 when it is paused.</summary>
    public long? Value { get; init; }

    /// <summary>How a process of a filter is.</summary>
    public FilterStatus? Filter { get; init; }

    /// <summary>Something that an operator should know, though all went well.</summary>
    public string? Notice { get; init; }

    /// <summary>A part of a message's content, in order.</summary>
    public byte[]? Data { get; init; }
}
