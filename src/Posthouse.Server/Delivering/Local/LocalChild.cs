using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>The hidden roles of the executable in which it makes deliveries; the first thing that its entry point asks for.</summary>
public static class LocalChild
{
    private static readonly Dictionary<string, ChildTask> s_tasks = new(StringComparer.Ordinal) { [DeliveryWorker.Role] = new(DeliveryWorker.Serve) };

    /// <summary>Runs the role and answers its exit code, or null when the arguments ask for none.</summary>
    public static int? Run(IReadOnlyList<string> arguments) => arguments switch
    {
        _ when ChildRole.IsRequested(arguments) => ChildRole.Run(s_tasks),
        [WrappedStore.Argument] => WrappedStore.Run(),
        _ => null,
    };
}
