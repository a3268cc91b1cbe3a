using System.Buffers;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;
using Posthouse.Server.Queueing;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// Delivers on this machine: opens the message, looks into its header for loops and the mark of spam, and has it stored,
/// given to a program or transmitted by LMTP, as the envelope's action says.
/// </summary>
public sealed class LocalDelivery : IDelivery, IDisposable
{
    private readonly MailQueue _queue;
    private readonly IPrivileges _privileges;
    private readonly LocalSettings _settings;
    private readonly LocalPlanner _planner;
    private readonly LmtpTransmission _lmtp;

    /// <summary>Delivers from <paramref name="queue"/>, leaving what needs an identity to <paramref name="privileges"/>.</summary>
    public LocalDelivery(MailQueue queue, IPrivileges privileges, LocalSettings settings, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _queue = queue;
        _settings = settings;
        _privileges = privileges;
        time ??= TimeProvider.System;
        _planner = new(settings, time);
        _lmtp = new(settings, time);
    }

    /// <inheritdoc/>
    public async ValueTask<DeliveryResult> DeliverAsync(Envelope envelope, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(envelope);
        try
        {
            if (!_settings.Configuration().Actions.TryGetValue(envelope.Action, out DeliveryAction? named) || named is not LocalAction action)
                return DeliveryResult.Temporary($"unknown action {envelope.Action}", 3, 5);
            LocalPlan.Transmit? transmit = null;
            if (envelope.Source is null && action is { Method: LocalMethod.Lmtp, Wrapper: null })
            {
                (LocalPlan? plan, DeliveryResult? failure) = await _planner.PlanAsync(envelope, junk: false, cancellation);
                if (plan is null) return failure!;
                transmit = (LocalPlan.Transmit)plan;
            }
            (QueueResult opened, MessageText? text) = await MessageText.OpenAsync(_queue, envelope, wire: transmit is not null, cancellation);
            if (text is null) return DeliveryResult.Temporary($"cannot read the message: {opened.Message ?? opened.Status.ToString()}", 3, 0);
            await using (text)
            {
                MessageMarks marks = MessageMarks.Of(text.Original, envelope);
                // RFC 3463 3.5: X.4.6, routing loop detected.
                if (marks.IsLoop) return DeliveryResult.Permanent("Loop detected", 4, 6);
                if (transmit is not null) return await _lmtp.TransmitAsync(transmit, envelope, text, cancellation);
                // What a source names is the parent's to know; mostly it is a program.
                bool isProgram = envelope.Source is not null || action.Wrapper is not null || action.Method is LocalMethod.Mda;
                return (isProgram ? await RunAsync(envelope, text, cancellation) : null)
                    ?? await _privileges.DeliverToFileAsync(new(envelope, marks.IsJunk, text), cancellation);
            }
        }
        catch (IOException exception)
        {
            return DeliveryResult.Temporary($"the message broke off: {exception.Message}", 3, 0);
        }
    }

    /// <summary>Closes connections kept for reuse.</summary>
    public void Dispose() => _lmtp.Dispose();

    // Null when there is no program to run.
    private async ValueTask<DeliveryResult?> RunAsync(Envelope envelope, MessageText text, CancellationToken cancellation)
    {
        DeliveryStart start = await _privileges.StartDeliveryAsync(envelope, cancellation);
        if (start.Program is null) return start.Fault is null ? null : DeliveryResult.Of(start.Fault);
        // A thread of its own: feeding a program may block for as long as the program likes, within its deadline.
        return await Task.Factory.StartNew(() => Feed(start.Program, text, cancellation), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    private static DeliveryResult Feed(IDeliveryProgram program, MessageText text, CancellationToken cancellation)
    {
        using (program)
        using (cancellation.Register(program.Kill))
        {
            bool all = program.Write(text.Head.Span);
            byte[] buffer = ArrayPool<byte>.Shared.Rent(64 * 1024);
            try
            {
                while (all)
                {
                    int length = text.ReadAsync(buffer, cancellation).AsTask().GetAwaiter().GetResult();
                    if (length == 0) break;
                    all = program.Write(buffer.AsSpan(0, length));
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
            ProgramExit exit = program.Finish();
            cancellation.ThrowIfCancellationRequested();
            return ProgramResult.Of(exit, all);
        }
    }
}
