using Posthouse.Server.Model;

namespace Posthouse.Server.Configuration;

/// <summary>The scheduler and its limits.</summary>
public sealed record SchedulerConfiguration
{
    /// <summary><c>ram</c>, <c>null</c>, or <c>proc-exec</c> for <see cref="Plug"/>.</summary>
    public string Backend { get; init; } = "ram";

    /// <summary>Where the backend is named; <see cref="SourcePosition.None"/> where it is the default.</summary>
    public SourcePosition BackendPosition { get; init; } = SourcePosition.None;

    /// <summary>The program of <c>scheduler backend proc-exec</c>; null otherwise.</summary>
    public PlugCommand? Plug { get; init; }

    /// <summary>Envelopes in delivery at once (<c>max-inflight</c>).</summary>
    public int MaxInflight { get; init; } = 5000;

    /// <summary>Envelopes put back into schedule at a time (<c>max-schedule</c>).</summary>
    public int MaxSchedule { get; init; } = 10;

    /// <summary>Envelope ids in one answer (<c>max-evp-batch-size</c>).</summary>
    public int MaxEnvelopeBatch { get; init; } = 256;

    /// <summary>Message ids in one answer (<c>max-msg-batch-size</c>).</summary>
    public int MaxMessageBatch { get; init; } = 1024;
}
