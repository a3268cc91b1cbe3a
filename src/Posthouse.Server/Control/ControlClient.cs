using System.Net.Sockets;
using System.Text.Json;
using Posthouse.Server.Model;

namespace Posthouse.Server.Control;

/// <summary>The other end of the control socket, for programs that steer a server.</summary>
public sealed class ControlClient : IDisposable
{
    private const int LongestLine = 4 * 1024 * 1024;

    private readonly Socket _socket;
    private readonly NetworkStream _stream;
    private byte[] _buffer = new byte[64 * 1024];
    private int _start;
    private int _end;

    private ControlClient(Socket socket)
    {
        _socket = socket;
        _stream = new NetworkStream(socket, ownsSocket: false);
    }

    /// <summary>Connects; waits at most 10 s for each answer, unless <see cref="Patience"/> says otherwise. The fault says what to do when no server is there.</summary>
    public static ControlClient? Connect(StateDirectory state, out Fault? fault)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(state.ControlSocket));
            fault = null;
            return new ControlClient(socket) { Patience = TimeSpan.FromSeconds(10) };
        }
        catch (Exception error) when (error is SocketException or ArgumentOutOfRangeException)
        {
            socket.Dispose();
            bool isDenied = error is SocketException { SocketErrorCode: SocketError.AccessDenied };
            fault = Fault.Temporary(isDenied ? $"{state.ControlSocket}: permission denied" : $"no server is listening on {state.ControlSocket}", error.Message);
            return null;
        }
    }

    /// <summary>How long an answer may take.</summary>
    public TimeSpan Patience
    {
        set => _socket.ReceiveTimeout = _socket.SendTimeout = (int)value.TotalMilliseconds;
    }

    /// <summary>Asks; the last reply is the one in which <see cref="ControlReply.Ok"/> is set, also when the connection breaks.</summary>
    public IEnumerable<ControlReply> Ask(ControlRequest request)
    {
        string? unsent = null;
        try
        {
            _stream.Write([.. JsonSerializer.SerializeToUtf8Bytes(request, ControlJson.Default.ControlRequest), (byte)'\n']);
        }
        catch (IOException error)
        {
            // A server that refuses a client says why before it hangs up, perhaps before it was asked.
            unsent = error.Message;
        }
        string? problem;
        while (ReadReply(out problem) is { } reply)
        {
            yield return reply;
            if (reply.Ok is not null)
                yield break;
        }
        yield return new ControlReply { Ok = false, Error = unsent ?? problem ?? "the server hung up" };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stream.Dispose();
        _socket.Dispose();
    }

    private ControlReply? ReadReply(out string? problem)
    {
        try
        {
            ReadOnlySpan<byte> line = ReadLine(out problem);
            return line.IsEmpty ? null : JsonSerializer.Deserialize(line, ControlJson.Default.ControlReply);
        }
        catch (Exception error) when (error is IOException or JsonException)
        {
            problem = error.Message;
            return null;
        }
    }

    private ReadOnlySpan<byte> ReadLine(out string? problem)
    {
        problem = null;
        int searched = _start;
        while (true)
        {
            int length = _buffer.AsSpan(searched, _end - searched).IndexOf((byte)'\n');
            if (length >= 0)
            {
                ReadOnlySpan<byte> line = _buffer.AsSpan(_start, searched + length - _start);
                _start = searched + length + 1;
                return line;
            }
            if (_start > 0)
            {
                _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
                _end -= _start;
                _start = 0;
            }
            searched = _end;
            if (_end == _buffer.Length)
            {
                if (_buffer.Length >= LongestLine)
                {
                    problem = "an endless line from the server";
                    return [];
                }
                Array.Resize(ref _buffer, _buffer.Length * 2);
            }
            int count = _stream.Read(_buffer, _end, _buffer.Length - _end);
            if (count == 0)
            {
                problem = "the server hung up";
                return [];
            }
            _end += count;
        }
    }
}
