using System.Globalization;

namespace Posthouse.Server.Processes;

/// <summary>How a process ended: its exit code, or the signal that killed it (else 0).</summary>
public readonly record struct ProcessEnd(int Code, int Signal)
{
    private const int Kill = 9;
    private const int Terminate = 15;

    /// <summary>Whether it was something in the process that ended it, and not somebody from outside.</summary>
    public bool IsCrash => Signal is not (Kill or Terminate) && (Signal != 0 || Code != 0);

    /// <inheritdoc/>
    public override string ToString() => Signal != 0
        ? string.Create(CultureInfo.InvariantCulture, $"killed by signal {Signal}")
        : string.Create(CultureInfo.InvariantCulture, $"exit code {Code}");
}
