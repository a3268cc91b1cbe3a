namespace Posthouse.Plugs;

/// <summary>A queue's answer; <see cref="Message"/> says what failed, for the log.</summary>
public readonly record struct QueueResult(QueueStatus Status, string? Message = null)
{
    /// <summary>Done.</summary>
    public static QueueResult Ok => default;

    /// <summary>The id is taken.</summary>
    public static QueueResult Exists => new(QueueStatus.Exists);

    /// <summary>There is no such message or envelope.</summary>
    public static QueueResult NotFound => new(QueueStatus.NotFound);

    /// <summary>A temporary failure.</summary>
    public static QueueResult Error(string message) => new(QueueStatus.Error, message);

    /// <summary>Whether the status is <see cref="QueueStatus.Ok"/>.</summary>
    public bool IsOk => Status == QueueStatus.Ok;
}
