namespace Posthouse.Server.Configuration;

/// <summary>The text of a file, or why it cannot be had. Exactly one of them is null.</summary>
public readonly record struct FileText(string? Text, string? Error)
{
    /// <summary>The file was read.</summary>
    public static FileText Of(string text) => new(text, null);

    /// <summary>It was not.</summary>
    public static FileText Failed(string error) => new(null, error);
}
