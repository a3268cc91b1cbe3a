namespace Posthouse.Server.Processes;

/// <summary>How a program ended: its exit code, or the signal that killed it (else 0), whether it ran into its deadline, and the end of what it wrote (at most 4 KiB).</summary>
public sealed record ProgramExit(int Code, int Signal, bool TimedOut, byte[] Output);
