using System.Globalization;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using Posthouse.Commands.Submission;
using Posthouse.Server.Hosting.Trials;
using Posthouse.Wire;

namespace Posthouse.Commands.Trials;

/// <summary>The client of a trial: says one line at a time and waits for its reply.</summary>
internal sealed class TrialClient(Socket socket, TimeSpan patience, Action<TrialLine> said) : IAsyncDisposable
{
    private static readonly TimeSpan s_farewell = TimeSpan.FromSeconds(5);

    private readonly ReplyParser _parser = new();
    private readonly byte[] _buffer = new byte[4096];
    private Stream _stream = new NetworkStream(socket, ownsSocket: true);
    private int _start;
    private int _end;

    /// <summary>The last reply; null: none, or the server has hung up instead.</summary>
    internal SmtpReply? Last { get; private set; }

    /// <summary>Whether nothing more comes from the server.</summary>
    internal bool IsClosed { get; private set; }

    /// <summary>Says a line; answers its reply, null when the server has hung up.</summary>
    internal async Task<SmtpReply?> SayAsync(string line)
    {
        said(new(TrialSource.Client, line));
        await SendAsync(Encoding.UTF8.GetBytes(line + "\r\n"));
        return await ReadAsync();
    }

    /// <summary>Sends a mail, of which lines may end with LF, and the dot behind it.</summary>
    internal async Task<SmtpReply?> SendMailAsync(ReadOnlyMemory<byte> mail)
    {
        using MemoryStream content = new(mail.Length + 4096);
        LineStuffer stuffer = new(content);
        stuffer.Write(mail.Span);
        stuffer.Finish();
        said(new(TrialSource.Client, string.Create(CultureInfo.InvariantCulture, $"({content.Length} bytes)")));
        said(new(TrialSource.Client, "."));
        content.Write(".\r\n"u8);
        await SendAsync(content.GetBuffer().AsMemory(0, (int)content.Length));
        return await ReadAsync();
    }

    /// <summary>Waits for a reply.</summary>
    internal async Task<SmtpReply?> ReadAsync()
    {
        Last = null;
        while (!IsClosed)
        {
            if (_start == _end && !await FillAsync(patience)) break;
            ReplyParseStatus status = _parser.Parse(_buffer.AsSpan(_start, _end - _start), out int consumed, out SmtpReply? reply);
            _start += consumed;
            if (status == ReplyParseStatus.Malformed) throw new InvalidDataException("the server's reply is malformed");
            if (status != ReplyParseStatus.Complete) continue;
            foreach (string line in Encoding.UTF8.GetString(ReplyFormat.ToBytes(reply!)).Split("\r\n", StringSplitOptions.RemoveEmptyEntries)) said(new(TrialSource.Server, line));
            return Last = reply;
        }
        return null;
    }

    /// <summary>Waits a little for the server to hang up; false when it does not.</summary>
    internal async Task<bool> WaitUntilClosedAsync()
    {
        if (!IsClosed && _start == _end) await FillAsync(s_farewell);
        return IsClosed;
    }

    /// <summary>Makes the handshake that STARTTLS begins; the certificate is any.</summary>
    internal async Task StartTlsAsync()
    {
        using CancellationTokenSource limit = new(patience);
        SslStream encrypted = new(_stream, leaveInnerStreamOpen: false);
        try
        {
            await encrypted.AuthenticateAsClientAsync(new() { TargetHost = "mx.example.org", RemoteCertificateValidationCallback = static (_, _, _, _) => true }, limit.Token);
            _stream = encrypted;
            said(new(TrialSource.Client, $"({encrypted.SslProtocol.ToString().ToLowerInvariant()})"));
        }
        catch (Exception error) when (error is IOException or OperationCanceledException or System.Security.Authentication.AuthenticationException)
        {
            said(new(TrialSource.Log, $"TLS handshake failed: {error.Message}"));
            IsClosed = true;
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _stream.DisposeAsync();

    private async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        using CancellationTokenSource limit = new(patience);
        try
        {
            await _stream.WriteAsync(bytes, limit.Token);
        }
        catch (Exception error) when (error is IOException or OperationCanceledException)
        {
            // The server may have had its last words before it hung up: those are still to be read.
        }
    }

    private async Task<bool> FillAsync(TimeSpan time)
    {
        using CancellationTokenSource limit = new(time);
        (_start, _end) = (0, 0);
        try
        {
            _end = await _stream.ReadAsync(_buffer, limit.Token);
        }
        catch (IOException)
        {
            // It hung up.
        }
        catch (OperationCanceledException)
        {
            said(new(TrialSource.Log, string.Create(CultureInfo.InvariantCulture, $"the server said nothing for {time.TotalSeconds:0} s")));
            IsClosed = time == patience;
            return false;
        }
        IsClosed = _end == 0;
        if (IsClosed) said(new(TrialSource.Server, "(closed)"));
        return !IsClosed;
    }
}
