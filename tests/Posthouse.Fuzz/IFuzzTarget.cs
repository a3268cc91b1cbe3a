namespace Posthouse.Fuzz;

/// <summary>One parser and the oracle that judges it.</summary>
public interface IFuzzTarget
{
    /// <summary>The target's name on the command line, and its folder in the corpus.</summary>
    static abstract string Name { get; }

    /// <summary>Words of the protocol, one character a byte, that the mutator puts into inputs.</summary>
    static abstract IReadOnlyList<string> Words { get; }

    /// <summary>Inputs made by the server's own writer, where a file would go stale with the format.</summary>
    static virtual IEnumerable<byte[]> Seeds => [];

    /// <summary>
    /// Parses <paramref name="input"/> and judges the outcome. Any exception is a finding, a <see cref="MismatchException"/> one of the oracle's.
    /// </summary>
    /// <returns>Whether the parser took it: the mutator goes on from such inputs.</returns>
    static abstract bool Run(ReadOnlySpan<byte> input);
}
