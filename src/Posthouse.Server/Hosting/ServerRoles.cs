using Posthouse.Server.Delivering.Local;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Server.Transport.Keys;

namespace Posthouse.Server.Hosting;

/// <summary>The hidden roles of the executable: the first thing that its entry point asks for.</summary>
public static class ServerRoles
{
    /// <summary>Runs the role and answers its exit code, or null when the arguments ask for none.</summary>
    public static int? Run(IReadOnlyList<string> arguments) => arguments switch
    {
        _ when EngineRole.IsRequested(arguments) => EngineRole.Run(),
        _ when ChildRole.IsRequested(arguments) => ChildRole.Run(new Dictionary<string, ChildTask>(LocalChild.Tasks)
        {
            [KeysProcess.Role] = new(static _ => ServeKeys(), KeysProcess.WarmUp),
        }),
        _ => LocalChild.Run(arguments),
    };

    private static int ServeKeys()
    {
        // It has no log: whether the kernel has these is said by the engine, which asks for the same.
        Landlock.Restrict([], LandlockNetwork.None, out _);
        Seccomp.Install(SeccompProfile.Keys, out _);
        return KeysProcess.Serve(ChildRole.ControlDescriptor + 1);
    }
}
