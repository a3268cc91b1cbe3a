using System.Runtime.InteropServices;

namespace Posthouse.Server.Native;

/// <summary>
/// landlock(7): the calling thread and every program that it starts or becomes give up, for good, all files but those of
/// the rules. A process of .NET has other threads, which are not restricted: so this is for one that is about to become
/// another program. What is open already stays usable; connecting to a Unix socket by its path is not restricted.
/// </summary>
public static unsafe class Landlock
{
    private const int CreateRuleset = 444;
    private const int AddRule = 445;
    private const int RestrictSelf = 446;
    private const nint AskVersion = 1;
    private const int PathBeneath = 1;
    private const int NetworkPort = 2;
    private const ulong BindTcp = 1;
    private const ulong ConnectTcp = 2;
    private const ulong ScopeAbstractSockets = 1;
    private const ulong ScopeSignals = 2;
    private const LandlockAccess FirstAccess = (LandlockAccess)0x1fff;
    private const LandlockAccess OnFiles = LandlockAccess.Execute | LandlockAccess.ReadWriteFile | LandlockAccess.DeviceControl;

    /// <summary>The kernel's version of the interface; 0 where it has none or it is switched off.</summary>
    public static int Version { get; } = (int)Math.Max(0, Libc.syscall(CreateRuleset, 0, 0, AskVersion, 0));

    /// <summary>All accesses that this kernel can deny.</summary>
    public static LandlockAccess Handled => Version switch
    {
        0 => LandlockAccess.None,
        1 => FirstAccess,
        2 => FirstAccess | LandlockAccess.Refer,
        3 or 4 => FirstAccess | LandlockAccess.Refer | LandlockAccess.Truncate,
        _ => FirstAccess | LandlockAccess.Refer | LandlockAccess.Truncate | LandlockAccess.DeviceControl,
    };

    /// <summary>
    /// Restricts the calling thread, and sets no-new-privileges for it. A rule for a path that does not exist is passed
    /// over. Where the kernel can, signals to processes outside and abstract sockets of processes outside are denied too.
    /// </summary>
    /// <param name="rules">What stays allowed; everything else is denied.</param>
    /// <param name="network">Which TCP stays allowed.</param>
    /// <param name="why">Why it is not restricted, when it is not.</param>
    /// <returns>Whether it is restricted.</returns>
    public static bool Restrict(IReadOnlyList<LandlockRule> rules, LandlockNetwork network, out string? why)
    {
        if (Version == 0)
        {
            why = "the kernel has no Landlock";
            return false;
        }
        RulesetAttributes attributes = new()
        {
            Files = (ulong)Handled,
            Network = BindTcp | (network == LandlockNetwork.None ? ConnectTcp : 0),
            Scope = ScopeAbstractSockets | ScopeSignals,
        };
        int size = Version >= 6 ? 24 : Version >= 4 ? 16 : 8;
        int ruleset = (int)Libc.syscall(CreateRuleset, (nint)(&attributes), size, 0, 0);
        if (ruleset < 0)
        {
            why = Failed("landlock_create_ruleset");
            return false;
        }
        try
        {
            why = null;
            foreach (LandlockRule rule in rules)
                if ((why = Add(ruleset, rule)) is not null) return false;
            if (Version >= 4 && network == LandlockNetwork.Client)
            {
                PortAttributes anyPort = new() { Access = BindTcp, Port = 0 };
                if (Libc.syscall(AddRule, ruleset, NetworkPort, (nint)(&anyPort), 0) != 0) why = Failed("landlock_add_rule");
            }
            why ??= ProcessIdentity.ForbidNewPrivileges();
            if (why is null && Libc.syscall(RestrictSelf, ruleset, 0) != 0) why = Failed("landlock_restrict_self");
            return why is null;
        }
        finally
        {
            Libc.close(ruleset);
        }
    }

    private static string? Add(int ruleset, LandlockRule rule)
    {
        int descriptor;
        fixed (byte* path = PathBytes.Of(rule.Path)) descriptor = Libc.open(path, OpenFlags.PathOnly | OpenFlags.CloseOnExec, 0);
        // What cannot be reached need not be denied or allowed.
        if (descriptor < 0) return Errno.Last is Errno.NoEntry or Errno.NotDirectory or Errno.Access or Errno.Loop ? null : Failed(rule.Path);
        try
        {
            Libc.StatX status = default;
            byte empty = 0;
            const int EmptyPath = 0x1000;
            if (Libc.statx(descriptor, &empty, EmptyPath, 1, &status) != 0) return Failed(rule.Path);
            bool isDirectory = (status.Mode & 0xF000) == 0x4000;
            LandlockAccess access = rule.Access & Handled & (isDirectory ? (LandlockAccess)ulong.MaxValue : OnFiles);
            if (access == LandlockAccess.None) return null;
            PathAttributes attributes = new() { Access = (ulong)access, Parent = descriptor };
            return Libc.syscall(AddRule, ruleset, PathBeneath, (nint)(&attributes), 0) == 0 ? null : $"{rule.Path}: {Failed("landlock_add_rule")}";
        }
        finally
        {
            Libc.close(descriptor);
        }
    }

    private static string Failed(string step) => $"{step}: {Errno.Text(Errno.Last)}";

    [StructLayout(LayoutKind.Sequential)]
    private struct RulesetAttributes
    {
        internal ulong Files;
        internal ulong Network;
        internal ulong Scope;
    }

    [StructLayout(LayoutKind.Sequential, Pack = 1)]
    private struct PathAttributes
    {
        internal ulong Access;
        internal int Parent;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PortAttributes
    {
        internal ulong Access;
        internal ulong Port;
    }
}
