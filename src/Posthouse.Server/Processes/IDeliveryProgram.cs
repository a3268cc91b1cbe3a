namespace Posthouse.Server.Processes;

/// <summary>A delivery program that runs. Disposing kills its process group if it still does.</summary>
public interface IDeliveryProgram : IAsyncDisposable
{
    /// <summary>Its standard input. Writing after it has closed that throws <see cref="IOException"/>.</summary>
    Stream Input { get; }

    /// <summary>Waits until it has ended, at most until its deadline: then its process group is killed. Close <see cref="Input"/> first.</summary>
    ValueTask<ProgramExit> WaitAsync(CancellationToken cancellation);
}
