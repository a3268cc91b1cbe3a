using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Posthouse.Plugs;
using Posthouse.Server.Delivering.Bouncing;
using Posthouse.Server.Model;
using Posthouse.Server.Queueing;
using Posthouse.Server.Scheduling;

namespace Posthouse.Server.Delivering;

/// <summary>
/// Records in queue and scheduler how the try of an envelope ended. The order is what keeps mail safe: whatever the
/// sender must be told is committed before the envelope is deleted, and the scheduler hears last.
/// </summary>
internal sealed class Settlement(MailQueue queue, IScheduler scheduler, TimeProvider time, ILogger logger, Counters counters, InFlightRecord? record = null)
{
    private readonly BounceEnvelopes _bounces = new(queue, time, counters);
    private readonly ConcurrentDictionary<EnvelopeId, bool> _suspensions = new();
    private readonly Counter _ok = counters["scheduler.delivery.ok"];
    private readonly Counter _temporary = counters["scheduler.delivery.tempfail"];
    private readonly Counter _permanent = counters["scheduler.delivery.permfail"];
    private readonly Counter _loops = counters["scheduler.delivery.loop"];
    private readonly Counter _expired = counters["scheduler.envelope.expired"];
    private readonly Counter _removed = counters["scheduler.envelope.removed"];
    private readonly Counter _updated = counters["scheduler.envelope.updated"];
    private readonly Counter _envelopes = counters["scheduler.envelope"];
    private readonly Counter _dropped = counters["bounce.dropped"];

    /// <summary>What the configuration says.</summary>
    public required DispatcherOptions Options { get; set; }

    /// <summary>Acts on the result of a try.</summary>
    public async ValueTask SettleAsync(Envelope envelope, DeliveryResult result)
    {
        Log(envelope, result);
        try
        {
            switch (result.Outcome)
            {
                case DeliveryOutcome.Delivered:
                    _ok.Add();
                    await ReportSuccessAsync(envelope, result);
                    await DeleteAsync(envelope.Id);
                    break;
                case DeliveryOutcome.Replaced:
                    await DeleteAsync(envelope.Id);
                    break;
                case DeliveryOutcome.Permanent:
                    _permanent.Add();
                    if (result.Status is { Subject: 4, Detail: 6 })
                        _loops.Add();
                    await FailAsync(envelope with { LastTry = Now() }, result);
                    break;
                default:
                    _temporary.Add();
                    await DeferAsync(envelope, result);
                    break;
            }
        }
        catch (Exception exception)
        {
            // A bug, since failures of the store are values. What was delivered must not be delivered again by us; the rest is tried again.
            DeliveringLog.NotRecorded(logger, envelope.Id, result.Outcome.ToString(), exception);
            if (result.Outcome is DeliveryOutcome.Delivered or DeliveryOutcome.Replaced)
                Forget(envelope.Id);
            else
                scheduler.Update(ScheduledEnvelope.From(envelope with { Tries = envelope.Tries + 1 }));
        }
    }

    /// <summary>Ends an envelope whose time is over.</summary>
    public async ValueTask ExpireAsync(Envelope envelope)
    {
        _expired.Add();
        LogEnd(envelope, "Expire", "Envelope expired");
        string text = envelope.Error is { Length: > 0 } error ? $"Envelope expired; last error: {error}" : "Envelope expired";
        try
        {
            await FailAsync(envelope, DeliveryResult.Permanent(text, 4, 7));
        }
        catch (Exception exception)
        {
            DeliveringLog.NotRecorded(logger, envelope.Id, "Expire", exception);
            scheduler.Update(ScheduledEnvelope.From(envelope with { Tries = envelope.Tries + 1 }));
        }
    }

    /// <summary>Ends an envelope that an administrator removed.</summary>
    public async ValueTask RemoveAsync(EnvelopeId id, Envelope? envelope)
    {
        _removed.Add();
        if (envelope is not null)
            LogEnd(envelope, "Remove", "Removed by administrator");
        try
        {
            await DeleteAsync(id);
        }
        catch (Exception exception)
        {
            DeliveringLog.NotRecorded(logger, id, "Remove", exception);
            Forget(id);
        }
    }

    /// <summary>The scheduler is to know nothing more of an envelope.</summary>
    public void Forget(EnvelopeId id)
    {
        _suspensions.TryRemove(id, out _);
        record?.Acquit(id);
        _envelopes.Add(-1);
        scheduler.Delete(id);
    }

    /// <summary>Keeps in mind that an envelope in flight was suspended or resumed: the next update of it must say so.</summary>
    public void RecordSuspension(EnvelopeId id, bool suspended) => _suspensions[id] = suspended;

    /// <summary>Takes back what <see cref="RecordSuspension"/> did; false when it has been acted on.</summary>
    public bool TryWithdrawSuspension(EnvelopeId id) => _suspensions.TryRemove(id, out _);

    private long Now() => time.GetUtcNow().ToUnixTimeSeconds();

    private async ValueTask DeleteAsync(EnvelopeId id)
    {
        await queue.DeleteAsync(id);
        Forget(id);
    }

    private async ValueTask ReportSuccessAsync(Envelope envelope, DeliveryResult result)
    {
        string type = envelope.Kind == EnvelopeKind.Mta ? BounceType.Relayed : BounceType.Delivered;
        if (!NotifyPolicy.IsWanted(envelope, type))
            return;
        QueueResult queued = await _bounces.CommitAsync(envelope with { LastTry = Now() }, type, result.Status.ToString(), result.Text, result.Remote, Options);
        if (!queued.IsOk)
            DeliveringLog.BounceNotQueued(logger, type, envelope.Id, queued.Message);
    }

    private async ValueTask FailAsync(Envelope envelope, DeliveryResult result)
    {
        if (NotifyPolicy.IsWanted(envelope, BounceType.Failed))
        {
            QueueResult queued = await _bounces.CommitAsync(envelope, BounceType.Failed, result.Status.ToString(), result.Text, result.Remote, Options);
            if (!queued.IsOk)
            {
                DeliveringLog.BounceNotQueued(logger, BounceType.Failed, envelope.Id, queued.Message);
                await DeferAsync(envelope, result);
                return;
            }
        }
        else if (envelope.Sender.Length == 0)
        {
            _dropped.Add();
            DeliveringLog.DoubleBounce(logger, envelope.Id, envelope.Recipient, result.Text);
        }

        await DeleteAsync(envelope.Id);
    }

    private async ValueTask DeferAsync(Envelope envelope, DeliveryResult result)
    {
        long now = Now();
        Envelope updated = envelope with
        {
            Tries = envelope.Tries + 1,
            LastTry = now,
            Status = result.Status.ToString(),
            Error = result.Text,
            Flags = _suspensions.TryRemove(envelope.Id, out bool suspended) ? Suspend(envelope.Flags, suspended) : envelope.Flags,
        };
        if (WarningDue(updated, now) is { } warned)
        {
            QueueResult queued = await _bounces.CommitAsync(updated, BounceType.Delayed, updated.Status, updated.Error, result.Remote, Options);
            if (queued.IsOk)
                updated = updated with { LastBounce = warned };
            else
                DeliveringLog.BounceNotQueued(logger, BounceType.Delayed, envelope.Id, queued.Message);
        }

        await queue.UpdateAsync(updated);
        _updated.Add();
        scheduler.Update(ScheduledEnvelope.From(updated));
    }

    /// <summary>The flags with or without the mark of suspension.</summary>
    public static EnvelopeFlags Suspend(EnvelopeFlags flags, bool suspended) => suspended ? flags | EnvelopeFlags.Suspended : flags & ~EnvelopeFlags.Suspended;

    // The time of the last warning that the next try would be past and that the sender has not had.
    private long? WarningDue(Envelope envelope, long now)
    {
        if (Options.WarnIntervals.Count == 0 || !NotifyPolicy.IsWanted(envelope, BounceType.Delayed))
            return null;
        long next = RetryTimes.After(now, envelope.Created, RetryTimes.Base(envelope.Kind), envelope.Tries);
        long? due = null;
        foreach (TimeSpan interval in Options.WarnIntervals)
        {
            long at = envelope.Created + (long)interval.TotalSeconds;
            if (next >= at && envelope.LastBounce < at)
                due = Math.Max(at, due ?? at);
        }

        return due;
    }

    private void Log(Envelope envelope, DeliveryResult result)
    {
        if (!logger.IsEnabled(LogLevel.Information))
            return;
        if (result.Outcome == DeliveryOutcome.Replaced)
        {
            LogEnd(envelope, "Expand", result.Text);
            return;
        }

        string session = envelope.Session ?? "0000000000000000";
        string delay = DelayText.Of(Now() - envelope.Created);
        string outcome = result.Outcome switch { DeliveryOutcome.Delivered => "Ok", DeliveryOutcome.Permanent => "PermFail", _ => "TempFail" };
        switch (envelope.Kind)
        {
            case EnvelopeKind.Mda:
                string text = result.Outcome == DeliveryOutcome.Delivered ? result.Text : $"Error ({result.Text})";
                DeliveringLog.LocalDelivery(logger, session, envelope.Id, envelope.Sender, envelope.Destination, envelope.Recipient, envelope.User, delay, outcome, text);
                break;
            case EnvelopeKind.Mta:
                DeliveringLog.Relay(logger, session, envelope.Id, envelope.Sender, envelope.Destination, envelope.Recipient, result.Remote, delay, outcome, result.Text);
                break;
            default:
                DeliveringLog.Bounce(logger, session, envelope.Id, envelope.Destination, delay, outcome, result.Text);
                break;
        }
    }

    private void LogEnd(Envelope envelope, string action, string text) =>
        DeliveringLog.Ended(
            logger, envelope.Kind == EnvelopeKind.Mta ? "relay" : "delivery", action, envelope.Id, envelope.Sender, envelope.Destination, envelope.Recipient,
            DelayText.Of(Now() - envelope.Created), text);
}
