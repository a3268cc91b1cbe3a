namespace Posthouse.Server.Native;

/// <summary>Which system calls <see cref="Seccomp"/> takes away.</summary>
public enum SeccompProfile
{
    /// <summary>
    /// For a process that serves the network: no programs or processes, no other identity, no mounts, no debugging or
    /// signalling of others, nothing that changes the machine, no sockets but Unix, TCP, UDP and the netlink by which
    /// interfaces are listed.
    /// </summary>
    Engine,

    /// <summary>As <see cref="Engine"/>, and no new sockets at all, no change of a file system; in a native build no file can be opened either.</summary>
    Keys,
}
