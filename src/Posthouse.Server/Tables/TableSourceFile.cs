namespace Posthouse.Server.Tables;

/// <summary>The open file of a table, and the version that it had when it was opened.</summary>
public sealed record TableSourceFile(Stream Content, FileVersion Version) : IAsyncDisposable
{
    /// <inheritdoc/>
    public ValueTask DisposeAsync() => Content.DisposeAsync();
}
