namespace Posthouse.Commands;

/// <summary>What a command reads and writes: the process's own streams, or a test's.</summary>
public sealed record Terminal(Stream Input, TextWriter Output, TextWriter Error)
{
    /// <summary>The streams of this process.</summary>
    public static Terminal Process { get; } = new(Console.OpenStandardInput(), Console.Out, Console.Error);

    /// <summary>The output for bytes that are no text.</summary>
    public Stream Bytes { get; init; } = Console.OpenStandardOutput();

    /// <summary>Whether a person types the input.</summary>
    public bool IsInteractive { get; init; } = !Console.IsInputRedirected;
}
