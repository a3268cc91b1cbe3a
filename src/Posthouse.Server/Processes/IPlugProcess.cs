using System.Net.Sockets;

namespace Posthouse.Server.Processes;

/// <summary>One process of a plug. Disposing ends it as <see cref="Terminate"/> does and closes its sockets; <see cref="Ended"/> completes all the same.</summary>
public interface IPlugProcess : IDisposable
{
    /// <summary>Its process id, for the log; it may be another's once it has ended.</summary>
    int Id { get; }

    /// <summary>A Unix stream socket, of which the other end is both its standard input and its standard output.</summary>
    Socket Conversation { get; }

    /// <summary>A Unix stream socket, of which the other end is its standard error; whoever has the process reads it, or the plug waits when it is full. Null: nobody hears what it writes there.</summary>
    Socket? Errors { get; }

    /// <summary>
    /// Completes with how it ended; never faults. Its sockets may still hold what it wrote at the end. Whatever else ran in its process group has been killed.
    /// </summary>
    Task<ProcessEnd> Ended { get; }

    /// <summary>Sends SIGTERM to its process group, and SIGKILL 5 seconds later if it has not ended. From any thread, and any number of times.</summary>
    void Terminate();
}
