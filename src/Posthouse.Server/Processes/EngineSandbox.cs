using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Processes;

/// <summary>
/// The files that the engine may open, whatever its user could: its spool, what the system's libraries and the runtime
/// read, and nothing else. Permissions still count: that /etc is listed lets it read what everybody may read there.
/// </summary>
public static class EngineSandbox
{
    /// <summary>The rules for an engine with that state directory.</summary>
    /// <param name="state">Its spool is the one place where it may write.</param>
    /// <param name="executable">What becomes the engine after the restriction; nothing else can be started.</param>
    /// <param name="readable">More files and directories that it may read.</param>
    public static IReadOnlyList<LandlockRule> Rules(StateDirectory state, OwnExecutable executable, IEnumerable<string> readable) =>
    [
        new(state.Spool, LandlockAccess.ReadWrite),
        .. Read("/usr", "/lib", "/lib32", "/lib64", "/etc", "/proc", "/sys/fs/cgroup", "/sys/devices/system", "/sys/kernel/mm", "/run/systemd/resolve", "/run/resolvconf"),
        .. Read(AppContext.BaseDirectory),
        .. Environment.GetEnvironmentVariable("DOTNET_ROOT") is { Length: > 0 } runtime ? Read(runtime) : [],
        .. Read([.. readable]),
        .. ((string[])["/dev/null", "/dev/zero", "/dev/full"]).Select(static path => new LandlockRule(path, LandlockAccess.ReadWriteFile)),
        .. Read("/dev/urandom", "/dev/random"),
        // execve(2) opens the program and the loader that it names.
        .. executable.Command.Take(1).Concat(["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1", "/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-aarch64.so.1"])
            .Select(static path => new LandlockRule(path, LandlockAccess.ReadFile | LandlockAccess.Execute)),
    ];

    private static IEnumerable<LandlockRule> Read(params string[] paths) => paths.Select(static path => new LandlockRule(path, LandlockAccess.Read));
}
