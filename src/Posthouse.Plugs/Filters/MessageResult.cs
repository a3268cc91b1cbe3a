using System.Text;

namespace Posthouse.Plugs.Filters;

/// <summary>
/// What becomes of a message that a handler has seen whole. A <see cref="Verdict"/> stands for itself: the message stays as it is, and the verdict is answered at
/// commit; <see cref="Verdict.Junk"/> puts <c>X-Spam: Yes</c> on top.
/// </summary>
public sealed class MessageResult
{
    private MessageResult()
    {
    }

    /// <summary>The message stays as it is, byte for byte.</summary>
    public static MessageResult Unchanged { get; } = new();

    internal Verdict Verdict { get; private init; }

    internal byte[] Front { get; private init; } = [];

    /// <summary>The new content; null when the old one stays.</summary>
    internal Stream? Content { get; private init; }

    /// <summary>The message becomes <paramref name="content"/>, with CRLF or LF as line ends.</summary>
    public static MessageResult Replace(ReadOnlyMemory<byte> content) => Replace(new MemoryStream(content.ToArray(), writable: false));

    /// <summary>The message becomes what <paramref name="content"/> gives from its position on, with CRLF or LF as line ends. The stream is read in blocks without waiting for anything but a disk, and disposed of.</summary>
    public static MessageResult Replace(Stream content) => new() { Content = content };

    /// <summary>The lines are put before the message, which stays as it is: for header fields.</summary>
    public static MessageResult Prepend(ReadOnlySpan<byte> lines) => new() { Front = lines.ToArray() };

    /// <summary>The lines are put before the message as UTF-8.</summary>
    public static MessageResult Prepend(string lines) => new() { Front = Encoding.UTF8.GetBytes(lines) };

    /// <summary>The message stays as it is, and the verdict is answered at commit.</summary>
    public static implicit operator MessageResult(Verdict verdict) =>
        verdict.IsProceed ? Unchanged : verdict == Verdict.Junk ? Prepend("X-Spam: Yes\r\n"u8) : new() { Verdict = verdict };
}
