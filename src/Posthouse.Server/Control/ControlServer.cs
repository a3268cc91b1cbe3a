using System.Text.Json;
using Microsoft.Extensions.Logging;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Transport;

namespace Posthouse.Server.Control;

/// <summary>
/// Serves the control socket: a JSON request a line, answered by JSON lines. Everybody may connect, but only root and the
/// user that the server runs as are listened to. What one client does, or fails to do, concerns no other.
/// </summary>
public sealed class ControlServer
{
    private const int LongestRequest = 4096;

    private static readonly TimeSpan s_idle = TimeSpan.FromMinutes(5);

    private readonly ControlActions _actions;
    private readonly ILogger _logger;
    private readonly Counter _sessions;

    /// <summary>Serves by <paramref name="actions"/>.</summary>
    public ControlServer(ControlActions actions, Counters counters, ILogger logger)
    {
        _actions = actions;
        _logger = logger;
        _sessions = counters["control.session"];
    }

    /// <summary>Who is listened to, besides root; by default the user of this process.</summary>
    public uint Owner { get; init; } = SystemAccounts.EffectiveUser;

    /// <summary>Serves one client to its end; the caller disposes the connection. For <see cref="Listener"/>.</summary>
    public async Task ServeAsync(Connection connection, SessionAdmission admission)
    {
        ReplyWriter writer = new(connection);
        uint? uid = connection.Peer?.Uid;
        if (admission != SessionAdmission.Admitted)
        {
            await RefuseAsync(writer, "too many clients");
            return;
        }
        if (!Trusts(uid))
        {
            ControlLog.Refused(_logger, uid);
            await RefuseAsync(writer, "permission denied");
            return;
        }
        _sessions.Add();
        try
        {
            await ServeRequestsAsync(connection, writer, uid);
        }
        finally
        {
            _sessions.Add(-1);
        }
    }

    internal bool Trusts(uint? uid) => uid == 0 || (uid is not null && uid == Owner);

    private static async ValueTask RefuseAsync(ReplyWriter writer, string error)
    {
        await writer.WriteAsync(new ControlReply { Ok = false, Error = error });
        await writer.FlushAsync();
    }

    private async ValueTask ServeRequestsAsync(Connection connection, ReplyWriter writer, uint? uid)
    {
        byte[] buffer = new byte[LongestRequest];
        int end = 0;
        while (true)
        {
            int length = buffer.AsSpan(0, end).IndexOf((byte)'\n');
            if (length < 0)
            {
                if (end == buffer.Length)
                {
                    ControlLog.BadRequest(_logger, uid, "the line is too long");
                    await RefuseAsync(writer, "the line is too long");
                    return;
                }
                connection.SetDeadline(s_idle);
                int count = await connection.ReceiveAsync(buffer.AsMemory(end));
                if (count == 0)
                    return;
                end += count;
                continue;
            }
            if (Parse(buffer.AsSpan(0, length), out string problem) is not { } request)
            {
                ControlLog.BadRequest(_logger, uid, problem);
                await RefuseAsync(writer, $"bad request: {problem}");
                return;
            }
            if (!await AnswerAsync(request, writer, uid))
                return;
            end -= length + 1;
            buffer.AsSpan(length + 1, end).CopyTo(buffer);
        }
    }

    private async ValueTask<bool> AnswerAsync(ControlRequest request, ReplyWriter writer, uint? uid)
    {
        ControlReply last;
        try
        {
            last = await _actions.RunAsync(request, writer.WriteAsync);
        }
        catch (IOException error)
        {
            // The store, or the message, cannot be read.
            last = new ControlReply { Ok = false, Error = error.Message };
        }
        catch (Exception error)
        {
            ControlLog.Failed(_logger, request.Verb, error);
            last = new ControlReply { Ok = false, Error = "internal error" };
        }
        if (ControlActions.Changes(request.Verb))
            ControlLog.Done(_logger, request.Verb, request.Argument ?? "", uid, last.Ok == true ? last.Count?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "ok" : last.Error ?? "failed");
        return await writer.WriteAsync(last) && await writer.FlushAsync();
    }

    private static ControlRequest? Parse(ReadOnlySpan<byte> line, out string problem)
    {
        try
        {
            ControlRequest? request = JsonSerializer.Deserialize(line, ControlJson.Default.ControlRequest);
            problem = request?.Verb is null ? "no verb" : "";
            return request?.Verb is null ? null : request;
        }
        catch (JsonException error)
        {
            problem = error.Message;
            return null;
        }
    }
}
