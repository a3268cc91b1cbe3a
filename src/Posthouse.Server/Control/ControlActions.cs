using System.Text.Json;
using Posthouse.Plugs;
using Posthouse.Server.Delivering;
using Posthouse.Server.Filtering;
using Posthouse.Server.Model;

namespace Posthouse.Server.Control;

/// <summary>Does what the verbs of the control protocol say.</summary>
public sealed class ControlActions
{
    private const int ContentChunk = 24 * 1024;

    private readonly Dispatcher _dispatcher;
    private readonly QueueControl _control;
    private readonly IServerControls _server;
    private readonly Counters _counters;
    private readonly TimeProvider _time;
    private readonly long _started;

    /// <summary>Acts on a running server; its uptime begins now.</summary>
    public ControlActions(Dispatcher dispatcher, IServerControls server, Counters counters, TimeProvider time)
    {
        _dispatcher = dispatcher;
        _control = new QueueControl(dispatcher);
        _server = server;
        _counters = counters;
        _time = time;
        _started = time.GetTimestamp();
    }

    /// <summary>Whether a verb changes something, which is worth a line in the log.</summary>
    public static bool Changes(string verb) =>
        verb is not (ControlVerb.Queue or ControlVerb.Message or ControlVerb.Envelope or ControlVerb.Stats or ControlVerb.Status or ControlVerb.Filters);

    /// <summary>
    /// Does what is requested; <paramref name="write"/> takes each reply but the last, which is returned, and answers false when nobody wants more.
    /// </summary>
    /// <exception cref="IOException">The store cannot be walked, or a message not be read.</exception>
    public async ValueTask<ControlReply> RunAsync(ControlRequest request, Func<ControlReply, ValueTask<bool>> write, CancellationToken cancellation = default)
    {
        string argument = request.Argument ?? "";
        switch (request.Verb)
        {
            case ControlVerb.Stats:
                return await ShowStatsAsync(write);
            case ControlVerb.Status:
                return await ShowStatusAsync(write);
            case ControlVerb.Filters:
                foreach (FilterStatus filter in _server.Filters)
                    await write(new ControlReply { Filter = filter });
                return Done();
            case ControlVerb.Pause or ControlVerb.Resume:
                return SetPaused(argument, request.Verb == ControlVerb.Pause);
            case ControlVerb.Log when argument is "brief" or "verbose":
                _server.IsVerbose = argument == "verbose";
                return Done();
            case ControlVerb.Trace or ControlVerb.Untrace:
                return _server.Trace(argument, request.Verb == ControlVerb.Trace) ? Done() : Failed($"no subsystem \"{argument}\"");
            case ControlVerb.UpdateTable:
                return await _server.UpdateTableAsync(argument, cancellation) switch
                {
                    { Status: TableStatus.Found } => Done(),
                    { Status: TableStatus.NotFound } => Failed($"no table \"{argument}\""),
                    { Value: var problem } => Failed(problem ?? "the table could not be read"),
                };
            case ControlVerb.Reload:
                return await ReloadAsync(write, cancellation);
            case ControlVerb.Queue when argument.Length == 0:
                return await ListAsync(EnvelopeSelection.All, write, cancellation);
        }

        if (!EnvelopeSelection.TryParse(argument, out EnvelopeSelection selection))
            return Failed($"\"{argument}\" is no id of an envelope or message");
        return request.Verb switch
        {
            ControlVerb.Queue => await ListAsync(selection, write, cancellation),
            ControlVerb.Envelope when selection.Envelope.Value != 0 => await ListAsync(selection, write, cancellation) is { Count: 0 } ? Failed("no such envelope") : Done(),
            ControlVerb.Message when !selection.IsAll => await ShowMessageAsync(selection, write, cancellation),
            ControlVerb.Schedule => Counted(selection, await _control.ScheduleAsync(selection, cancellation)),
            ControlVerb.Remove => Counted(selection, await _control.RemoveAsync(selection, cancellation)),
            ControlVerb.Suspend => Counted(selection, await _control.SuspendAsync(selection, cancellation)),
            ControlVerb.Unsuspend => Counted(selection, await _control.ResumeAsync(selection, cancellation)),
            ControlVerb.Discover => await DiscoverAsync(selection, cancellation),
            _ => Failed($"unknown request \"{request.Verb} {argument}\""),
        };
    }

    private static ControlReply Done() => new() { Ok = true };

    private static ControlReply Failed(string error) => new() { Ok = false, Error = error };

    /// <summary>None of an id that was given is a failure; none of all there are is not.</summary>
    private static ControlReply Counted(EnvelopeSelection selection, int count) =>
        count == 0 && !selection.IsAll ? new ControlReply { Ok = false, Error = "no such envelope", Count = 0 } : new ControlReply { Ok = true, Count = count };

    private async ValueTask<ControlReply> ReloadAsync(Func<ControlReply, ValueTask<bool>> write, CancellationToken cancellation)
    {
        ReloadResult result = await _server.ReloadAsync(cancellation);
        if (result.Fault is { } fault)
            return Failed(fault.Detail ?? fault.PublicText);
        foreach (string difference in result.Unchanged)
            await write(new ControlReply { Notice = $"{difference} changes only at a restart" });
        return Done();
    }

    private async ValueTask<ControlReply> ShowStatsAsync(Func<ControlReply, ValueTask<bool>> write)
    {
        List<KeyValuePair<string, long>> counters = [.. _counters.Snapshot(), KeyValuePair.Create("uptime", (long)_time.GetElapsedTime(_started).TotalSeconds)];
        counters.Sort(static (left, right) => string.CompareOrdinal(left.Key, right.Key));
        foreach ((string name, long value) in counters)
            await write(new ControlReply { Name = name, Value = value });
        return Done();
    }

    private async ValueTask<ControlReply> ShowStatusAsync(Func<ControlReply, ValueTask<bool>> write)
    {
        EnvelopeKinds paused = _dispatcher.Paused;
        await write(new ControlReply { Name = "mda", Value = paused.HasFlag(EnvelopeKinds.Mda) ? 0 : 1 });
        await write(new ControlReply { Name = "mta", Value = paused.HasFlag(EnvelopeKinds.Mta) ? 0 : 1 });
        await write(new ControlReply { Name = "smtp", Value = _server.IsSmtpPaused ? 0 : 1 });
        return Done();
    }

    private ControlReply SetPaused(string service, bool paused)
    {
        if (service == "smtp")
        {
            if (_server.IsSmtpPaused == paused)
                return Failed(paused ? "already paused" : "already running");
            _server.IsSmtpPaused = paused;
            return Done();
        }
        EnvelopeKinds kind = service switch { "mda" => EnvelopeKinds.Mda, "mta" => EnvelopeKinds.Mta, _ => EnvelopeKinds.None };
        if (kind == EnvelopeKinds.None)
            return Failed($"no service \"{service}\"");
        if (_dispatcher.Paused.HasFlag(kind) == paused)
            return Failed(paused ? "already paused" : "already running");
        if (paused)
            _dispatcher.Pause(kind);
        else
            _dispatcher.Resume(kind);
        return Done();
    }

    private async ValueTask<ControlReply> ListAsync(EnvelopeSelection selection, Func<ControlReply, ValueTask<bool>> write, CancellationToken cancellation)
    {
        int count = 0;
        await foreach (ListedEnvelope listed in _control.ListAsync(selection, cancellation))
        {
            count++;
            ControlReply reply = new()
            {
                Envelope = JsonElement.Parse(listed.Envelope.ToJson()),
                State = listed.State.ToString().ToLowerInvariant(),
                NextTry = listed.NextTry,
            };
            if (!await write(reply))
                break;
        }
        return new ControlReply { Ok = true, Count = count };
    }

    private async ValueTask<ControlReply> ShowMessageAsync(EnvelopeSelection selection, Func<ControlReply, ValueTask<bool>> write, CancellationToken cancellation)
    {
        MessageId message = selection.Message.IsNone ? selection.Envelope.Message : selection.Message;
        (QueueResult result, Stream? content) = await _dispatcher.Queue.OpenMessageAsync(message, cancellation);
        if (content is null)
            return Failed(result.Status == QueueStatus.NotFound ? "no such message" : result.Message ?? "the message could not be read");
        await using (content)
        {
            byte[] buffer = new byte[ContentChunk];
            for (int count; (count = await content.ReadAsync(buffer, cancellation)) > 0;)
            {
                if (!await write(new ControlReply { Data = buffer[..count] }))
                    break;
            }
        }
        return Done();
    }

    private async ValueTask<ControlReply> DiscoverAsync(EnvelopeSelection selection, CancellationToken cancellation)
    {
        IScheduler scheduler = _dispatcher.Scheduler;
        HashSet<MessageId> messages = [];
        int count = 0;
        await foreach (ListedEnvelope listed in _control.ListAsync(selection, cancellation))
        {
            EnvelopeId id = listed.Envelope.Id;
            if (await scheduler.ListEnvelopesAsync(new EnvelopeId(id.Value - 1), 1, cancellation) is [var known] && known.Envelope == id)
                continue;
            scheduler.Insert(ScheduledEnvelope.From(listed.Envelope));
            messages.Add(id.Message);
            count++;
        }
        foreach (MessageId message in messages)
            scheduler.Commit(message);
        return new ControlReply { Ok = true, Count = count };
    }
}
