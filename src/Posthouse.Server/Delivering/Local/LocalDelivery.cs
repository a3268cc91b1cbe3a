using Posthouse.Plugs;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;
using Posthouse.Server.Queueing;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// Delivers on this machine: opens the message, looks into its header for loops and the mark of spam, and has it stored,
/// run or transmitted as the envelope's action says.
/// </summary>
public sealed class LocalDelivery : IDelivery
{
    private readonly MailQueue _queue;
    private readonly IPrivileges _privileges;
    private readonly LocalPlanner _planner;

    /// <summary>Delivers from <paramref name="queue"/>, leaving what needs an identity to <paramref name="privileges"/>.</summary>
    public LocalDelivery(MailQueue queue, IPrivileges privileges, LocalSettings settings)
    {
        _queue = queue;
        _privileges = privileges;
        _planner = new(settings);
    }

    /// <inheritdoc/>
    public async ValueTask<DeliveryResult> DeliverAsync(Envelope envelope, CancellationToken cancellation)
    {
        try
        {
            (QueueResult opened, MessageText? text) = await MessageText.OpenAsync(_queue, envelope, cancellation);
            if (text is null) return DeliveryResult.Temporary($"cannot read the message: {opened.Message ?? opened.Status.ToString()}", 3, 0);
            await using (text)
            {
                MessageMarks marks = MessageMarks.Of(text.Original, envelope);
                // RFC 3463 3.5: X.4.6, routing loop detected.
                if (marks.IsLoop) return DeliveryResult.Permanent("Loop detected", 4, 6);
                (LocalPlan? plan, DeliveryResult? failure) = await _planner.PlanAsync(envelope, marks.IsJunk, cancellation);
                return plan switch
                {
                    null => failure!,
                    _ => await _privileges.DeliverToFileAsync(new(envelope, marks.IsJunk, text), cancellation),
                };
            }
        }
        catch (IOException exception)
        {
            return DeliveryResult.Temporary($"the message broke off: {exception.Message}", 3, 0);
        }
    }
}
