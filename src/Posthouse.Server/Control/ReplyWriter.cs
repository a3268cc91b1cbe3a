using System.Buffers;
using System.Text.Json;
using Posthouse.Server.Transport;

namespace Posthouse.Server.Control;

/// <summary>Writes replies to a client, many in one send.</summary>
internal sealed class ReplyWriter(Connection connection)
{
    private const int SendFrom = 32 * 1024;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly ArrayBufferWriter<byte> _buffer = new(1024);

    /// <summary>Writes a line; false when the client is gone.</summary>
    public async ValueTask<bool> WriteAsync(ControlReply reply)
    {
        using (Utf8JsonWriter writer = new(_buffer))
            JsonSerializer.Serialize(writer, reply, ControlJson.Default.ControlReply);
        _buffer.Write("\n"u8);
        return _buffer.WrittenCount < SendFrom || await FlushAsync();
    }

    /// <summary>Sends what is written; false when the client is gone.</summary>
    public async ValueTask<bool> FlushAsync()
    {
        connection.SetDeadline(s_patience);
        bool sent = await connection.SendAsync(_buffer.WrittenMemory);
        _buffer.ResetWrittenCount();
        return sent;
    }
}
