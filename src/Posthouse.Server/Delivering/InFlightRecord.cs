using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using Microsoft.Extensions.Logging;
using Posthouse.Plugs;

namespace Posthouse.Server.Delivering;

// The file is mapped into memory: a store into it costs no system call, and the kernel has it however the process dies.
// Header (32 bytes): magic, version, number of slots, number of suspects, room. Then the slots, 8 bytes each: the id of an
// envelope being worked on, or 0. Then the suspects, 16 bytes each: id, how often it was in a slot at a crash, and a check of both.
// At each start it is written anew and renamed into its place, so nobody else has it mapped and its blocks are there:
// a store into a hole on a full disk would end the process.

/// <summary>
/// Remembers, beyond the death of this process, which envelopes it was working on. One that was in flight at two crashes is
/// suspected of having caused them, so that no mail can crash the server for ever. Thread-safe.
/// </summary>
public sealed unsafe class InFlightRecord : IDisposable
{
    /// <summary>Crashes after which an envelope is suspended.</summary>
    public const int MaxCrashes = 2;

    /// <summary>Envelopes that are recorded at once; what is in flight beyond that is not.</summary>
    internal const int Slots = 8192;

    /// <summary>Envelopes whose crashes are counted at once.</summary>
    internal const int Suspects = 1024;

    private const int Header = 32;
    private const int SuspectSize = 16;
    private const int Length = Header + Slots * sizeof(ulong) + Suspects * SuspectSize;
    private const uint Version = 1;

    private static readonly byte[] s_magic = "PHFLIGHT"u8.ToArray();

    private readonly Lock _lock = new();
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _memory;
    private readonly int[] _free = new int[Slots];
    private readonly Dictionary<ulong, int> _suspects = [];
    private int _freeCount;
    private bool _disposed;

    private InFlightRecord(MemoryMappedFile file, Dictionary<ulong, int> suspects)
    {
        _file = file;
        _view = file.CreateViewAccessor(0, Length);
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _memory);
        _memory += _view.PointerOffset;
        while (_freeCount < Slots) _free[_freeCount] = Slots - 1 - _freeCount++;
        int index = 0;
        foreach (ulong id in suspects.Keys) _suspects.Add(id, index++);
        Suspended = suspects.Where(static pair => pair.Value >= MaxCrashes).Select(static pair => new EnvelopeId(pair.Key)).ToHashSet();
    }

    /// <summary>Those that were in flight at <see cref="MaxCrashes"/> crashes, to be suspended.</summary>
    public IReadOnlySet<EnvelopeId> Suspended { get; }

    /// <summary>
    /// Takes over what the process before left at <paramref name="path"/>; when that <paramref name="hasCrashed"/>, what was in flight is counted. A file that is torn or not
    /// ours is replaced. Null, with a line in the log, when there can be no such file: the server does without.
    /// </summary>
    public static InFlightRecord? Open(string path, bool hasCrashed, ILogger logger)
    {
        Dictionary<ulong, int> suspects = [];
        if (Read(path) is { } content)
        {
            suspects = ReadSuspects(content);
            int inFlight = hasCrashed ? CountInFlight(content, suspects) : 0;
            if (inFlight > 0) DeliveringLog.Crashed(logger, inFlight);
        }

        try
        {
            string fresh = path + ".new";
            File.Delete(fresh);
            FileStream stream = new(fresh, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.ReadWrite,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
            // Written, and not only made so long: the blocks must be there.
            stream.Write(Compose(suspects));
            stream.Flush();
            MemoryMappedFile file = MemoryMappedFile.CreateFromFile(stream, null, Length, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: false);
            File.Move(fresh, path, overwrite: true);
            return new(file, suspects);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            DeliveringLog.NoInFlightRecord(logger, path, error.Message);
            return null;
        }
    }

    /// <summary>Work on an envelope begins; answers what <see cref="Leave"/> wants.</summary>
    public int Enter(EnvelopeId id)
    {
        lock (_lock)
        {
            if (_disposed || _freeCount == 0) return -1;
            int slot = _free[--_freeCount];
            Volatile.Write(ref *(ulong*)(_memory + Header + slot * sizeof(ulong)), id.Value);
            return slot;
        }
    }

    /// <summary>Work has ended, and how is on record.</summary>
    public void Leave(int slot)
    {
        lock (_lock)
        {
            if (_disposed || slot < 0) return;
            Volatile.Write(ref *(ulong*)(_memory + Header + slot * sizeof(ulong)), 0);
            _free[_freeCount++] = slot;
        }
    }

    /// <summary>Forgets the crashes of an envelope: it has left the queue, or an administrator has had a look.</summary>
    public void Acquit(EnvelopeId id)
    {
        lock (_lock)
        {
            if (_suspects.Count > 0 && !_disposed && _suspects.Remove(id.Value, out int index)) Suspect(index).Clear();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed) return;
            _disposed = true;
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
            _file.Dispose();
        }
    }

    private Span<byte> Suspect(int index) => new(_memory + Header + Slots * sizeof(ulong) + index * SuspectSize, SuspectSize);

    private static byte[]? Read(string path)
    {
        try
        {
            FileInfo file = new(path);
            if (!file.Exists || file.Length != Length || file.LinkTarget is not null) return null;
            byte[] content = File.ReadAllBytes(path);
            return content.AsSpan().StartsWith(Compose([]).AsSpan(0, Header)) && content.Length == Length ? content : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static Dictionary<ulong, int> ReadSuspects(ReadOnlySpan<byte> content)
    {
        Dictionary<ulong, int> suspects = [];
        for (ReadOnlySpan<byte> rest = content[(Header + Slots * sizeof(ulong))..]; rest.Length >= SuspectSize; rest = rest[SuspectSize..])
        {
            ulong id = BinaryPrimitives.ReadUInt64LittleEndian(rest);
            uint count = BinaryPrimitives.ReadUInt32LittleEndian(rest[8..]);
            if (id != 0 && count is > 0 and < 1000 && BinaryPrimitives.ReadUInt32LittleEndian(rest[12..]) == Check(id, count)) suspects[id] = (int)count;
        }

        return suspects;
    }

    private static int CountInFlight(ReadOnlySpan<byte> content, Dictionary<ulong, int> suspects)
    {
        HashSet<ulong> inFlight = [];
        for (int slot = 0; slot < Slots; slot++)
        {
            ulong id = BinaryPrimitives.ReadUInt64LittleEndian(content[(Header + slot * sizeof(ulong))..]);
            if (id != 0) inFlight.Add(id);
        }

        foreach (ulong id in inFlight)
        {
            // Among too many, those that have crashed it before are the likelier.
            if (!suspects.ContainsKey(id) && suspects.Count >= Suspects
                && suspects.FirstOrDefault(pair => pair.Value < MaxCrashes && !inFlight.Contains(pair.Key)) is { Key: not 0 } other)
                suspects.Remove(other.Key);
            if (suspects.ContainsKey(id) || suspects.Count < Suspects)
                suspects[id] = suspects.GetValueOrDefault(id) + 1;
        }

        return inFlight.Count;
    }

    private static byte[] Compose(Dictionary<ulong, int> suspects)
    {
        byte[] content = new byte[Length];
        s_magic.CopyTo(content, 0);
        BinaryPrimitives.WriteUInt32LittleEndian(content.AsSpan(8), Version);
        BinaryPrimitives.WriteUInt32LittleEndian(content.AsSpan(12), Slots);
        BinaryPrimitives.WriteUInt32LittleEndian(content.AsSpan(16), Suspects);
        Span<byte> rest = content.AsSpan(Header + Slots * sizeof(ulong));
        foreach ((ulong id, int count) in suspects)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(rest, id);
            BinaryPrimitives.WriteUInt32LittleEndian(rest[8..], (uint)count);
            BinaryPrimitives.WriteUInt32LittleEndian(rest[12..], Check(id, (uint)count));
            rest = rest[SuspectSize..];
        }

        return content;
    }

    private static uint Check(ulong id, uint count) => ~((uint)id ^ (uint)(id >> 32) ^ count * 0x9e3779b9);
}
