using System.Buffers.Binary;
using System.Text;

namespace Posthouse.Server.Processes;

/// <summary>
/// What a child that was just started is to become. It reads this from its control descriptor and not from its
/// arguments, which everybody on the machine can see.
/// </summary>
/// <param name="Arguments">The program and its arguments; empty for a child that stays this executable and serves deliveries.</param>
/// <param name="Environment">NAME=VALUE; for a child that serves deliveries, the words that it is told.</param>
/// <param name="Directory">The working directory; <c>/</c> if it cannot be entered.</param>
/// <param name="ChangesIdentity">Whether it takes the identity that follows.</param>
/// <param name="Uid">User.</param>
/// <param name="Gid">Group.</param>
/// <param name="Groups">Supplementary groups.</param>
internal sealed record ChildRequest(
    IReadOnlyList<string> Arguments, IReadOnlyList<string> Environment, string Directory, bool ChangesIdentity, uint Uid, uint Gid, IReadOnlyList<uint> Groups)
{
    /// <summary>Largest form in bytes.</summary>
    internal const int MaxSize = 1 << 20;

    /// <summary>Length (4 bytes) and content.</summary>
    internal byte[] ToBytes()
    {
        using MemoryStream stream = new();
        using BinaryWriter writer = new(stream, Encoding.UTF8);
        writer.Write(0);
        writer.Write(ChangesIdentity);
        writer.Write(Uid);
        writer.Write(Gid);
        writer.Write(Groups.Count);
        foreach (uint group in Groups) writer.Write(group);
        writer.Write(Directory);
        Write(writer, Arguments);
        Write(writer, Environment);
        writer.Flush();
        byte[] bytes = stream.ToArray();
        BinaryPrimitives.WriteInt32LittleEndian(bytes, bytes.Length - 4);
        return bytes;
    }

    /// <summary>Reads the content (without its length).</summary>
    /// <exception cref="IOException">It is cut off.</exception>
    internal static ChildRequest Parse(byte[] content)
    {
        using BinaryReader reader = new(new MemoryStream(content), Encoding.UTF8);
        bool changes = reader.ReadBoolean();
        uint uid = reader.ReadUInt32(), gid = reader.ReadUInt32();
        uint[] groups = new uint[Math.Clamp(reader.ReadInt32(), 0, 65536)];
        for (int i = 0; i < groups.Length; i++) groups[i] = reader.ReadUInt32();
        string directory = reader.ReadString();
        return new(Read(reader), Read(reader), directory, changes, uid, gid, groups);
    }

    private static void Write(BinaryWriter writer, IReadOnlyList<string> strings)
    {
        writer.Write(strings.Count);
        foreach (string text in strings) writer.Write(text);
    }

    private static List<string> Read(BinaryReader reader)
    {
        int count = reader.ReadInt32();
        List<string> strings = [];
        for (int i = 0; i < count; i++) strings.Add(reader.ReadString());
        return strings;
    }
}
