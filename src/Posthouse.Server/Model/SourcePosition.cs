namespace Posthouse.Server.Model;

/// <summary>A place in a file of the administrator: file name as it was opened, line and column from 1 (in characters).</summary>
public readonly record struct SourcePosition(string File, int Line, int Column = 1)
{
    /// <summary>What has no place: built in, or made by a test.</summary>
    public static SourcePosition None { get; } = new("", 0, 0);

    /// <summary><c>file:line</c>, as envelopes and the log name a rule.</summary>
    public string FileAndLine => $"{File}:{Line}";

    /// <summary><c>file:line:column</c>.</summary>
    public override string ToString() => $"{File}:{Line}:{Column}";
}
