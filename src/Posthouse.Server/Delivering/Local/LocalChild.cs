using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>The hidden roles of the executable in which it makes deliveries.</summary>
public static class LocalChild
{
    /// <summary>What a child may be told to do.</summary>
    public static IReadOnlyDictionary<string, ChildTask> Tasks { get; } = new Dictionary<string, ChildTask>(StringComparer.Ordinal) { [DeliveryWorker.Role] = new(DeliveryWorker.Serve) };

    /// <summary>Stores a message for a wrapper, if the arguments ask for that, and answers the exit code; else null.</summary>
    public static int? Run(IReadOnlyList<string> arguments) => arguments is [WrappedStore.Argument] ? WrappedStore.Run() : null;
}
