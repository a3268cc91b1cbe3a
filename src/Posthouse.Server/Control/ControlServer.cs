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
    private static readonly TimeSpan s_refusalsToldEvery = TimeSpan.FromSeconds(10);

    private readonly ControlActions _actions;
    private readonly ILogger _logger;
    private readonly Counter _sessions;
    private readonly Lock _lock = new();
    private readonly Dictionary<uint, int> _clients = [];
    private long _refused;
    private long? _refusalToldAt;

    /// <summary>Serves by <paramref name="actions"/>.</summary>
    public ControlServer(ControlActions actions, Counters counters, ILogger logger)
    {
        _actions = actions;
        _logger = logger;
        _sessions = counters["control.session"];
    }

    /// <summary>Who is listened to, besides root; by default the user of this process.</summary>
    public uint Owner { get; init; } = SystemAccounts.EffectiveUser;

    /// <summary>Clients of one user at once.</summary>
    public int MaxClientsPerUser { get; init; } = 32;

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Serves one client to its end; the caller disposes the connection. For <see cref="Listener"/>.</summary>
    public async Task ServeAsync(Connection connection, SessionAdmission admission)
    {
        ReplyWriter writer = new(connection);
        uint? uid = connection.Peer?.Uid;
        // Strangers first: however many they are, they hold no place of those who are listened to.
        if (uid is not { } user || !Trusts(user))
        {
            TellRefusal(uid);
            await RefuseAsync(writer, "permission denied");
            return;
        }
        if (admission != SessionAdmission.Admitted || !TryEnter(user))
        {
            await RefuseAsync(writer, "too many clients");
            return;
        }
        _sessions.Add();
        try
        {
            await ServeRequestsAsync(connection, writer, user);
        }
        finally
        {
            _sessions.Add(-1);
            Leave(user);
        }
    }

    internal bool Trusts(uint? uid) => uid == 0 || (uid is not null && uid == Owner);

    private bool TryEnter(uint user)
    {
        lock (_lock)
        {
            int clients = _clients.GetValueOrDefault(user);
            if (clients >= MaxClientsPerUser)
                return false;
            _clients[user] = clients + 1;
            return true;
        }
    }

    private void Leave(uint user)
    {
        lock (_lock)
            _clients[user]--;
    }

    // Whoever wants to can be refused a thousand times a second; the log is not his.
    private void TellRefusal(uint? uid)
    {
        long refused;
        lock (_lock)
        {
            _refused++;
            if (_refusalToldAt is { } at && Time.GetElapsedTime(at) < s_refusalsToldEvery)
                return;
            _refusalToldAt = Time.GetTimestamp();
            (refused, _refused) = (_refused, 0);
        }
        ControlLog.Refused(_logger, uid, refused);
    }

    private static async ValueTask RefuseAsync(ReplyWriter writer, string error)
    {
        await writer.WriteAsync(new ControlReply { Ok = false, Error = error });
        await writer.FlushAsync();
    }

    private async ValueTask ServeRequestsAsync(Connection connection, ReplyWriter writer, uint? uid)
    {
        byte[] buffer = new byte[LongestRequest];
        int end = 0;
        // For a request as a whole: a byte now and then is no conversation.
        connection.SetDeadline(s_idle);
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
            connection.SetDeadline(s_idle);
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
