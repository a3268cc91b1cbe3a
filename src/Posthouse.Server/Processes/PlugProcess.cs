using System.Net.Sockets;

namespace Posthouse.Server.Processes;

/// <summary>A plug that is a child of the process that talks with it.</summary>
internal sealed class PlugProcess(PlugChild child, Socket conversation, Socket errors) : IPlugProcess
{
    /// <inheritdoc/>
    public int Id => child.Id;

    /// <inheritdoc/>
    public Socket Conversation => conversation;

    /// <inheritdoc/>
    public Socket? Errors => errors;

    /// <inheritdoc/>
    public Task<ProcessEnd> Ended => child.Ended;

    /// <inheritdoc/>
    public void Terminate() => child.Terminate();

    /// <summary>Kills it on the spot.</summary>
    internal void Kill() => child.Kill();

    /// <inheritdoc/>
    public void Dispose()
    {
        child.Terminate();
        conversation.Dispose();
        errors.Dispose();
    }
}
