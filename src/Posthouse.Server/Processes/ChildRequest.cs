using System.Buffers.Binary;

namespace Posthouse.Server.Processes;

/// <summary>
/// What a child that was just started is to become. It reads this from its control descriptor and not from its
/// arguments, which everybody on the machine can see.
/// </summary>
internal sealed record ChildRequest
{
    /// <summary>Largest form in bytes.</summary>
    internal const int MaxSize = 1 << 20;

    private const int MaxCount = 65536;

    /// <summary>The program and its arguments; empty for a child that stays this executable.</summary>
    internal IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>The program's environment, NAME=VALUE.</summary>
    internal IReadOnlyList<string> Environment { get; init; } = [];

    /// <summary>For a child that stays this executable: its role, and what that is told. For an engine: the state directory.</summary>
    internal IReadOnlyList<string> Words { get; init; } = [];

    /// <summary>The working directory (within <see cref="Root"/>); <c>/</c> if it cannot be entered.</summary>
    internal string Directory { get; init; } = "/";

    /// <summary>The directory that becomes its root; empty for the system's.</summary>
    internal string Root { get; init; } = "";

    /// <summary>Whether it takes the identity that follows.</summary>
    internal bool ChangesIdentity { get; init; }

    /// <summary>User.</summary>
    internal uint Uid { get; init; }

    /// <summary>Group.</summary>
    internal uint Gid { get; init; }

    /// <summary>Supplementary groups.</summary>
    internal IReadOnlyList<uint> Groups { get; init; } = [];

    /// <summary>How many descriptors after the control descriptor the program inherits.</summary>
    internal int Kept { get; init; }

    /// <summary>Whether it is a part of the server: with the server's limits, and reach over what its role needs only.</summary>
    internal bool IsServer { get; init; }

    /// <summary>Length (4 bytes) and content.</summary>
    internal byte[] ToBytes()
    {
        PayloadWriter writer = new PayloadWriter().Number(0).Flag(ChangesIdentity).Number((int)Uid).Number((int)Gid).Number(Groups.Count);
        foreach (uint group in Groups) writer.Number((int)group);
        writer.Block(System.Text.Encoding.UTF8.GetBytes(Directory)).Block(System.Text.Encoding.UTF8.GetBytes(Root)).Number(Kept).Flag(IsServer);
        foreach (IReadOnlyList<string> list in (ReadOnlySpan<IReadOnlyList<string>>)[Arguments, Environment, Words])
        {
            writer.Number(list.Count);
            foreach (string text in list) writer.Text(text);
        }
        byte[] bytes = writer.Payload.ToArray();
        BinaryPrimitives.WriteInt32LittleEndian(bytes, bytes.Length - 4);
        return bytes;
    }

    /// <summary>Reads the content (without its length); null when it is malformed.</summary>
    internal static ChildRequest? Parse(ReadOnlySpan<byte> content)
    {
        PayloadReader reader = new(content);
        bool changes = reader.Flag();
        uint uid = (uint)reader.Number(), gid = (uint)reader.Number();
        uint[] groups = new uint[reader.Count(MaxCount)];
        for (int i = 0; i < groups.Length; i++) groups[i] = (uint)reader.Number();
        ChildRequest request = new()
        {
            ChangesIdentity = changes,
            Uid = uid,
            Gid = gid,
            Groups = groups,
            Directory = reader.Lines(MaxSize),
            Root = reader.Lines(MaxSize),
            Kept = reader.Count(MaxCount),
            IsServer = reader.Flag(),
            Arguments = Read(ref reader),
            Environment = Read(ref reader),
            Words = Read(ref reader),
        };
        return reader.IsWhole ? request : null;
    }

    private static string[] Read(ref PayloadReader reader)
    {
        string[] strings = new string[reader.Count(MaxCount)];
        for (int i = 0; i < strings.Length; i++) strings[i] = reader.Lines(MaxSize);
        return strings;
    }
}
