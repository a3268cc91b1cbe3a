using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>The hidden roles of the executable in which it makes deliveries; the first thing that its entry point asks for.</summary>
public static class LocalChild
{
    /// <summary>Runs the role and answers its exit code, or null when the arguments ask for none.</summary>
    public static int? Run(IReadOnlyList<string> arguments) => arguments switch
    {
        _ when ChildRole.IsRequested(arguments) => ChildRole.Run(DeliveryWorker.Serve),
        [WrappedStore.Argument] => WrappedStore.Run(),
        _ => null,
    };
}
