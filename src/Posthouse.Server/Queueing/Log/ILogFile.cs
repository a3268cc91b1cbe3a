namespace Posthouse.Server.Queueing.Log;

/// <summary>An open file of the log. Failures are <see cref="IOException"/>s whose HResult is the error number.</summary>
internal interface ILogFile : IDisposable
{
    long Length { get; }

    /// <summary>Fills <paramref name="buffer"/> as far as the file goes.</summary>
    /// <exception cref="ObjectDisposedException">The file was closed meanwhile.</exception>
    int Read(Span<byte> buffer, long offset);

    /// <summary>Writes the pieces one after another.</summary>
    void Write(IReadOnlyList<ReadOnlyMemory<byte>> pieces, long offset);

    /// <summary>Content and length to stable storage.</summary>
    void Sync();

    void Truncate(long length);
}
