using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>The hidden role of the executable in which it runs deliveries; the first thing that its entry point asks for.</summary>
public static class LocalChild
{
    /// <summary>Runs the role and answers its exit code, or null when the arguments ask for none.</summary>
    public static int? Run(IReadOnlyList<string> arguments) => ChildRole.IsRequested(arguments) ? ChildRole.Run(DeliveryWorker.Serve) : null;
}
