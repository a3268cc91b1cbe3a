namespace Posthouse.Server.Native;

/// <summary>The number of a system call on x86-64 and on arm64; negative where there is none.</summary>
internal readonly record struct SystemCallNumber(string Name, int Intel, int Arm)
{
    /// <summary>What no process of the server ever does once it is what it is.</summary>
    internal static IReadOnlyList<SystemCallNumber> Never { get; } =
    [
        // Programs
        new("execve", 59, 221), new("execveat", 322, 281), new("fork", 57, -1), new("vfork", 58, -1),
        // Other processes
        new("ptrace", 101, 117), new("process_vm_readv", 310, 270), new("process_vm_writev", 311, 271), new("process_madvise", 440, 440),
        new("pidfd_getfd", 438, 438), new("pidfd_send_signal", 424, 424), new("kcmp", 312, 272), new("tkill", 200, 130),
        // Mounts and namespaces
        new("mount", 165, 40), new("umount2", 166, 39), new("move_mount", 429, 429), new("fsopen", 430, 430), new("fsconfig", 431, 431),
        new("fsmount", 432, 432), new("fspick", 433, 433), new("open_tree", 428, 428), new("mount_setattr", 442, 442),
        new("pivot_root", 155, 41), new("chroot", 161, 51), new("unshare", 272, 97), new("setns", 308, 268),
        // Identity
        new("setuid", 105, 146), new("setgid", 106, 144), new("setreuid", 113, 145), new("setregid", 114, 143), new("setresuid", 117, 147),
        new("setresgid", 119, 149), new("setfsuid", 122, 151), new("setfsgid", 123, 152), new("setgroups", 116, 159), new("capset", 126, 91),
        // The kernel's less tested or more powerful parts
        new("bpf", 321, 280), new("perf_event_open", 298, 241), new("kexec_load", 246, 104), new("kexec_file_load", 320, 294),
        new("init_module", 175, 105), new("finit_module", 313, 273), new("delete_module", 176, 106), new("create_module", 174, -1),
        new("get_kernel_syms", 177, -1), new("query_module", 178, -1), new("add_key", 248, 217), new("request_key", 249, 218),
        new("keyctl", 250, 219), new("userfaultfd", 323, 282), new("io_uring_setup", 425, 425), new("io_uring_enter", 426, 426),
        new("io_uring_register", 427, 427), new("lookup_dcookie", 212, 18), new("nfsservctl", 180, 42), new("syslog", 103, 116),
        new("iopl", 172, -1), new("ioperm", 173, -1), new("modify_ldt", 154, -1), new("uselib", 134, -1), new("ustat", 136, -1),
        new("sysfs", 139, -1), new("_sysctl", 156, -1),
        // The machine
        new("swapon", 167, 224), new("swapoff", 168, 225), new("reboot", 169, 142), new("settimeofday", 164, 170), new("clock_settime", 227, 112),
        new("clock_adjtime", 305, 266), new("adjtimex", 159, 171), new("acct", 163, 89), new("quotactl", 179, 60), new("quotactl_fd", 443, 443),
        new("vhangup", 153, 58), new("sethostname", 170, 161), new("setdomainname", 171, 162), new("migrate_pages", 256, 238), new("move_pages", 279, 239),
        // Files that are none
        new("mknod", 133, -1), new("mknodat", 259, 33), new("name_to_handle_at", 303, 264), new("open_by_handle_at", 304, 265), new("fanotify_init", 300, 262),
    ];

    /// <summary>What the holder of keys does not do either: it talks by the sockets that it was given, and changes no file.</summary>
    internal static IReadOnlyList<SystemCallNumber> NeverByKeys { get; } =
    [
        new("socket", 41, 198), new("socketpair", 53, 199), new("connect", 42, 203), new("bind", 49, 200), new("listen", 50, 201),
        new("accept", 43, 202), new("accept4", 288, 242),
        new("creat", 85, -1), new("truncate", 76, 45), new("rename", 82, -1), new("renameat", 264, 38), new("renameat2", 316, 276),
        new("mkdir", 83, -1), new("mkdirat", 258, 34), new("rmdir", 84, -1), new("link", 86, -1), new("linkat", 265, 37),
        new("symlink", 88, -1), new("symlinkat", 266, 36), new("unlink", 87, -1), new("unlinkat", 263, 35),
        new("chmod", 90, -1), new("fchmodat", 268, 53), new("fchmodat2", 452, 452), new("chown", 92, -1), new("lchown", 94, -1), new("fchownat", 260, 54),
        new("utimensat", 280, 88), new("utimes", 235, -1), new("futimesat", 261, -1), new("utime", 132, -1),
        new("setxattr", 188, 5), new("lsetxattr", 189, 6), new("removexattr", 197, 14), new("lremovexattr", 198, 15),
    ];

    internal static SystemCallNumber Socket { get; } = new("socket", 41, 198);
    internal static SystemCallNumber MakeTask { get; } = new("clone", 56, 220);
    internal static SystemCallNumber MakeTask3 { get; } = new("clone3", 435, 435);
    internal static SystemCallNumber Personality { get; } = new("personality", 135, 92);
    internal static SystemCallNumber DeviceControl { get; } = new("ioctl", 16, 29);
    internal static SystemCallNumber Kill { get; } = new("kill", 62, 129);
    internal static SystemCallNumber ThreadKill { get; } = new("tgkill", 234, 131);
    internal static SystemCallNumber QueueSignal { get; } = new("rt_sigqueueinfo", 129, 138);
    internal static SystemCallNumber QueueThreadSignal { get; } = new("rt_tgsigqueueinfo", 297, 240);
    internal static SystemCallNumber ResourceLimit { get; } = new("prlimit64", 302, 261);
    internal static SystemCallNumber Open { get; } = new("open", 2, -1);
    internal static SystemCallNumber OpenAt { get; } = new("openat", 257, 56);
    internal static SystemCallNumber OpenAt2 { get; } = new("openat2", 437, 437);
}
