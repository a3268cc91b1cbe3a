using System.Buffers.Binary;

namespace Posthouse.Server.Processes;

/// <summary>
/// The conversation beside a program's pipes, between whoever feeds it and the parent that started it: the feeder says
/// once <see cref="InputEnds"/>, the parent says once how the program ended. Who closes it gives the program up.
/// </summary>
internal static class ProgramStatus
{
    /// <summary>
    /// The program has got all of its input. Until then the parent keeps the input open too: so a feeder that dies in the
    /// middle of a message does not make half of it look like the whole.
    /// </summary>
    internal const byte InputEnds = (byte)'E';

    /// <summary>Length of an end in bytes: exit code, signal (4 bytes each), whether it ran into its deadline.</summary>
    internal const int Length = 9;

    internal static void Write(Span<byte> to, int code, int signal, bool timedOut)
    {
        BinaryPrimitives.WriteInt32LittleEndian(to, code);
        BinaryPrimitives.WriteInt32LittleEndian(to[4..], signal);
        to[8] = timedOut ? (byte)1 : (byte)0;
    }

    internal static (int Code, int Signal, bool TimedOut) Read(ReadOnlySpan<byte> from) =>
        (BinaryPrimitives.ReadInt32LittleEndian(from), BinaryPrimitives.ReadInt32LittleEndian(from[4..]), from[8] != 0);
}
