using Posthouse.Plugs;
using Posthouse.Server.Model;
using Posthouse.Server.Queueing;

namespace Posthouse.Server.Delivering.Bouncing;

/// <summary>
/// Delivers bounce envelopes: composes the notification and puts it into our own queue, as a new message with the null
/// sender. Bounce envelopes of one message and type that are tried within a short window share one notification;
/// each is deleted by its own settlement, after the notification has been committed. A crash in between tells a sender twice, never not at all.
/// </summary>
public sealed class BounceDelivery : IDelivery
{
    private const int MaxReports = 1000;
    private const int MaxComposed = 4;

    private readonly MailQueue _queue;
    private readonly IReturnRoute _route;
    private readonly TimeProvider _time;
    private readonly TimeSpan _window;
    private readonly Counter _messages;
    private readonly Lock _lock = new();
    private readonly Dictionary<(MessageId Message, string Type, string Recipient), Group> _open = [];
    private readonly SemaphoreSlim _composing = new(MaxComposed);

    /// <summary>A delivery that puts notifications into <paramref name="queue"/>.</summary>
    /// <param name="queue">Where the messages are and where the notifications go.</param>
    /// <param name="route">Finds the way back.</param>
    /// <param name="time">The clock.</param>
    /// <param name="counters">Gets <c>bounce.message</c>.</param>
    /// <param name="window">How long the first bounce of a message waits for others; one second unless given.</param>
    public BounceDelivery(MailQueue queue, IReturnRoute route, TimeProvider time, Counters counters, TimeSpan? window = null)
    {
        ArgumentNullException.ThrowIfNull(counters);
        _queue = queue;
        _route = route;
        _time = time;
        _window = window ?? TimeSpan.FromSeconds(1);
        _messages = counters["bounce.message"];
    }

    /// <inheritdoc/>
    public async ValueTask<DeliveryResult> DeliverAsync(Envelope envelope, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(envelope);
        if (envelope.Bounce is not { Of.Length: > 0 } bounce)
            return DeliveryResult.Permanent("The bounce reports nothing", 3);
        (MessageId, string, string) key = (envelope.Id.Message, bounce.Type, envelope.Recipient);
        Group? group;
        bool isFirst;
        lock (_lock)
        {
            isFirst = !_open.TryGetValue(key, out group);
            if (group is null)
                _open[key] = group = new();
            group.Envelopes.Add(envelope);
            group.Reports += bounce.Of.Length;
            if (group.Reports >= MaxReports)
                _open.Remove(key);
        }

        if (isFirst)
            await RunAsync(key, group, cancellation);
        return await group.Result.Task;
    }

    private async Task RunAsync((MessageId, string, string) key, Group group, CancellationToken cancellation)
    {
        try
        {
            await Task.Delay(_window, _time, cancellation);
            Close(key, group);
            await _composing.WaitAsync(cancellation);
            try
            {
                group.Result.SetResult(await SendAsync(group.Envelopes, cancellation));
            }
            finally
            {
                _composing.Release();
            }
        }
        catch (Exception exception)
        {
            // Told to everyone who waits for this group, the first among them.
            Close(key, group);
            group.Result.SetException(exception);
        }
    }

    private void Close((MessageId, string, string) key, Group group)
    {
        lock (_lock)
        {
            if (_open.TryGetValue(key, out Group? open) && open == group)
                _open.Remove(key);
        }
    }

    private async Task<DeliveryResult> SendAsync(List<Envelope> bounces, CancellationToken cancellation)
    {
        Envelope first = bounces[0];
        (Fault? failure, IReadOnlyList<Envelope> envelopes) = await _route.ResolveAsync(first, cancellation);
        if (failure is not null)
            return DeliveryResult.Of(failure);

        OpenedMessage original = await _queue.OpenMessageAsync(first.Id.Message, cancellation);
        if (original.Content is null)
            return DeliveryResult.Temporary("The message cannot be read", 3);
        await using Stream content = original.Content;
        (QueueResult created, MessageWriter? writer) = await _queue.CreateMessageAsync(cancellation);
        if (writer is null)
            return DeliveryResult.Temporary($"The notification cannot be queued: {created.Message}", 3);
        try
        {
            DateTimeOffset now = _time.GetUtcNow();
            await new BounceMessage(bounces, now, writer.Id).WriteAsync(writer, content, cancellation);
            foreach (Envelope envelope in envelopes)
                writer.AddEnvelope(Complete(envelope, first, writer, now.ToUnixTimeSeconds()));
            QueueResult committed = await writer.CommitAsync(cancellation);
            if (!committed.IsOk)
                return DeliveryResult.Temporary($"The notification cannot be queued: {committed.Message}", 3);
        }
        catch (IOException exception)
        {
            return DeliveryResult.Temporary($"The message cannot be read: {exception.Message}", 3);
        }
        finally
        {
            writer.Rollback();
        }

        _messages.Add();
        return DeliveryResult.Delivered($"Queued as {writer.Id}");
    }

    private static Envelope Complete(Envelope envelope, Envelope bounce, MessageWriter writer, long now) => envelope with
    {
        Id = writer.DrawEnvelopeId(),
        Session = bounce.Session,
        Sender = "",
        Recipient = bounce.Recipient,
        ServerName = bounce.ServerName,
        Flags = EnvelopeFlags.Bounce | EnvelopeFlags.Internal,
        Size = writer.Size,
        Created = now,
        Expires = now + envelope.Expires,
    };

    private sealed class Group
    {
        public readonly List<Envelope> Envelopes = [];
        public readonly TaskCompletionSource<DeliveryResult> Result = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public int Reports;
    }
}
