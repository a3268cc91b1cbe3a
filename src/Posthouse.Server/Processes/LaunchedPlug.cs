using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Native;

namespace Posthouse.Server.Processes;

/// <summary>A plug that has just become its program: a child of this process, with our ends of its streams.</summary>
/// <param name="Process">Its process id; to be waited for.</param>
/// <param name="Conversation">A Unix stream socket to its standard input and output.</param>
/// <param name="Errors">A Unix stream socket from its standard error.</param>
internal sealed record LaunchedPlug(int Process, SafeFileHandle Conversation, SafeFileHandle Errors)
{
    /// <summary>Kills it on the spot.</summary>
    internal void GiveUp()
    {
        Conversation.Dispose();
        Errors.Dispose();
        ChildProcess.Kill(Process);
        ChildProcess.TryReap(Process, wait: true, out _, out _);
    }
}
