using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>How the parent's answers to the engine begin: with what was asked for, or why not.</summary>
internal static class DeliveryReply
{
    /// <summary>What was asked for follows.</summary>
    internal const byte Done = 0;

    /// <summary>It failed: a result follows.</summary>
    internal const byte Failed = 1;

    /// <summary>The envelope asks for the other kind of delivery: a program where a file was asked for, or the other way round.</summary>
    internal const byte OtherKind = 2;

    private const int MaxText = 8192;

    /// <summary>An answer that it failed.</summary>
    internal static ChannelAnswer Of(DeliveryResult failure)
    {
        string text = failure.Text.Length > MaxText / 4 ? failure.Text[..(MaxText / 4)] : failure.Text;
        return new(new PayloadWriter().Byte(Failed).Flag(failure.Outcome == DeliveryOutcome.Permanent)
            .Number(failure.Status.Subject).Number(failure.Status.Detail).Text(text).Payload);
    }

    /// <summary>Reads what follows <see cref="Failed"/>.</summary>
    internal static DeliveryResult ReadFailure(ref PayloadReader reader)
    {
        bool permanent = reader.Flag();
        ushort subject = (ushort)reader.Count(999), detail = (ushort)reader.Count(999);
        string text = reader.Lines(MaxText);
        if (!reader.IsWhole) return NoAnswer;
        return permanent ? DeliveryResult.Permanent(text, subject, detail) : DeliveryResult.Temporary(text, subject, detail);
    }

    /// <summary>What it means that the parent said nothing, or nothing intelligible.</summary>
    internal static DeliveryResult NoAnswer { get; } = DeliveryResult.Temporary("the parent process does not answer", 3, 0);

    internal static Fault ToFault(DeliveryResult failure) => new(failure.Outcome == DeliveryOutcome.Permanent, failure.Status, failure.Text);
}
