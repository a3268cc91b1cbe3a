using Posthouse.Server.Model;

namespace Posthouse.Server.Delivering.Local;

/// <summary>What came of a message that was given to a worker.</summary>
/// <param name="Result">The result; null when it can be given again: nothing was stored, or the worker died before it said so.</param>
/// <param name="IsLost">Whether the worker is of no use any more; else the target was unknown to it.</param>
internal readonly record struct WorkerAnswer(DeliveryResult? Result, bool IsLost = false)
{
    /// <summary>The worker may go on with a large message.</summary>
    internal static WorkerAnswer Opened => default;

    /// <summary>It knows no such target.</summary>
    internal static WorkerAnswer Unknown => default;

    /// <summary>It is gone.</summary>
    internal static WorkerAnswer Lost => new(null, IsLost: true);
}
