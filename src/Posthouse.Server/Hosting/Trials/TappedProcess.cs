using System.Net.Sockets;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Hosting.Trials;

/// <summary>One process of a filter behind the relay of a <see cref="FilterTap"/>.</summary>
internal sealed class TappedProcess : IPlugProcess
{
    private const int BlockSize = 32 * 1024;

    private readonly FilterTap _tap;
    private readonly IPlugProcess _process;
    private readonly Socket _relay;
    private volatile bool _isKilled;

    /// <summary>Takes all of them over.</summary>
    internal TappedProcess(FilterTap tap, IPlugProcess process, Socket conversation, Socket relay)
    {
        _tap = tap;
        _process = process;
        Conversation = conversation;
        _relay = relay;
        _ = RelayAsync(_relay, _process.Conversation, isToFilter: true);
        _ = RelayAsync(_process.Conversation, _relay, isToFilter: false);
    }

    /// <inheritdoc/>
    public int Id => _process.Id;

    /// <inheritdoc/>
    public Socket Conversation { get; }

    /// <inheritdoc/>
    public Socket? Errors => _process.Errors;

    /// <inheritdoc/>
    public Task<ProcessEnd> Ended => _process.Ended;

    /// <inheritdoc/>
    public void Terminate() => _process.Terminate();

    /// <inheritdoc/>
    public void Dispose()
    {
        _process.Dispose();
        Conversation.Dispose();
        _relay.Dispose();
    }

    private async Task RelayAsync(Socket from, Socket to, bool isToFilter)
    {
        byte[] buffer = new byte[BlockSize];
        FilterStream stream = new();
        try
        {
            for (int length; (length = await from.ReceiveAsync(buffer.AsMemory(), SocketFlags.None)) > 0 && !_isKilled;)
            {
                bool kills = false;
                int allowed = isToFilter ? Tell(stream, buffer.AsSpan(0, length), out kills) : Hear(stream, buffer.AsSpan(0, length));
                for (int sent = 0; sent < allowed;) sent += await to.SendAsync(buffer.AsMemory(sent, allowed - sent), SocketFlags.None);
                if (kills)
                {
                    Kill();
                    return;
                }
            }
            to.Shutdown(isToFilter ? SocketShutdown.Send : SocketShutdown.Both);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // One of both sides has ended. The server hears so of the filter; the filter is ended by the server.
            if (!isToFilter) Hush();
        }
    }

    // Answers how much of the block may pass.
    private int Tell(FilterStream stream, ReadOnlySpan<byte> block, out bool kills)
    {
        kills = false;
        int taken = 0;
        while (taken < block.Length && !kills)
        {
            FilterStream.Piece piece = stream.Next(block[taken..], out int consumed, out ReadOnlySpan<byte> bytes);
            taken += consumed;
            if (piece == FilterStream.Piece.Line) _isKilled = kills = _tap.Tell(bytes);
            else if (piece == FilterStream.Piece.Payload) _tap.TellPayload(bytes);
        }
        return taken;
    }

    private int Hear(FilterStream stream, ReadOnlySpan<byte> block)
    {
        for (int taken = 0; taken < block.Length;)
        {
            if (stream.Next(block[taken..], out int consumed, out ReadOnlySpan<byte> bytes) == FilterStream.Piece.Line) _tap.Hear(bytes);
            taken += consumed;
        }
        return block.Length;
    }

    // What it has said and nobody has heard yet is lost with it.
    private void Kill()
    {
        if (_process is PlugProcess child) child.Kill();
        else _process.Terminate();
        Hush();
    }

    private void Hush()
    {
        try
        {
            _relay.Shutdown(SocketShutdown.Both);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // It is closed.
        }
    }
}
