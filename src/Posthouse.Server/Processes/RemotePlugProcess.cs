using System.Net.Sockets;

namespace Posthouse.Server.Processes;

/// <summary>A plug that is the parent's child. Its status socket says both ways how it is: we stop sending to have it ended, the parent says once how it ended.</summary>
internal sealed class RemotePlugProcess : IPlugProcess
{
    private const int Killed = 9;

    private readonly Socket _status;

    /// <summary>Takes over the sockets.</summary>
    internal RemotePlugProcess(int process, Socket conversation, Socket errors, Socket status)
    {
        Id = process;
        Conversation = conversation;
        Errors = errors;
        _status = status;
        Ended = HearAsync();
    }

    /// <inheritdoc/>
    public int Id { get; }

    /// <inheritdoc/>
    public Socket Conversation { get; }

    /// <inheritdoc/>
    public Socket? Errors { get; }

    /// <inheritdoc/>
    public Task<ProcessEnd> Ended { get; }

    /// <inheritdoc/>
    public void Terminate()
    {
        try
        {
            _status.Shutdown(SocketShutdown.Send);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // It has ended already.
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Terminate();
        Conversation.Dispose();
        Errors?.Dispose();
    }

    // The socket is closed by who hears its end, so that the end is heard after Dispose too.
    private async Task<ProcessEnd> HearAsync()
    {
        byte[] end = new byte[ProgramStatus.Length];
        int length = 0;
        using (_status)
        {
            try
            {
                for (int got; length < end.Length && (got = await _status.ReceiveAsync(end.AsMemory(length)).ConfigureAwait(false)) > 0;) length += got;
            }
            catch (SocketException)
            {
                // A parent that says nothing any more has ended, and we end with it.
            }
        }
        if (length < end.Length) return new(0, Killed);
        (int code, int signal, _) = ProgramStatus.Read(end);
        return new(code, signal);
    }
}
