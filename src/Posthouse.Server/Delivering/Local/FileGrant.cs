using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>The parent's leave to store a message: by which worker, in which of the targets that the worker was told by number.</summary>
/// <param name="Worker">The worker's number; 0 is none.</param>
/// <param name="Target">The target's number.</param>
/// <param name="Scope">What it holds for.</param>
/// <param name="IsMbox">Whether it is a file that takes one message after the other, and shows the sender.</param>
internal sealed record FileGrant(int Worker, int Target, GrantScope Scope, bool IsMbox)
{
    internal PayloadWriter Write(PayloadWriter writer) => writer.Number(Worker).Number(Target).Byte((byte)Scope).Flag(IsMbox);

    internal static FileGrant Read(ref PayloadReader reader) => new(reader.Number(), reader.Number(), (GrantScope)reader.Byte(), reader.Flag());
}
