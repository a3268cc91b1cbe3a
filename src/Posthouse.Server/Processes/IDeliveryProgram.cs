namespace Posthouse.Server.Processes;

/// <summary>
/// A delivery program that runs. Its members block, at most until its deadline: call them from a thread of your own.
/// Disposing kills its process group if it still runs.
/// </summary>
public interface IDeliveryProgram : IDisposable
{
    /// <summary>Writes to its standard input; false when it takes no more, because it has closed its input, ended or been killed.</summary>
    bool Write(ReadOnlySpan<byte> block);

    /// <summary>Closes its standard input and waits until it ends; at its deadline its process group is killed.</summary>
    ProgramExit Finish();

    /// <summary>Kills its process group; may be called from any thread.</summary>
    void Kill();
}
