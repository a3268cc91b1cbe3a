using System.Collections.Frozen;
using Posthouse.Server.Configuration;
using Posthouse.Server.Processes;
using Posthouse.Server.Tables;

namespace Posthouse.Server.Hosting;

/// <summary>
/// The parent's side of <see cref="RemoteTableFiles"/>: opens the file of a table that the configuration holds, and no other. The path that comes with a
/// question only tells which is meant of a table's two files while one configuration follows another.
/// </summary>
internal sealed class TableFileService
{
    internal const byte Unchanged = 0;
    internal const byte Opened = 1;
    internal const byte Failed = 2;
    internal const int MaxText = 8192;

    private volatile FrozenSet<(string Table, string Path)> _files = FrozenSet<(string, string)>.Empty;

    /// <summary>The tables of <paramref name="next"/> may be opened too: it is being made ready.</summary>
    internal void Offer(ServerConfiguration next) => _files = _files.Concat(FilesOf(next)).ToFrozenSet();

    /// <summary>Only the tables of this configuration may be opened: it is in force, or still is. Those of sessions that began before stay as they are.</summary>
    internal void Keep(ServerConfiguration inForce) => _files = FilesOf(inForce).ToFrozenSet();

    /// <summary>Answers a question for a table's file.</summary>
    internal ChannelAnswer Answer(ChannelRequest request)
    {
        PayloadReader reader = new(request.Payload.Span);
        string table = reader.Text(MaxText), path = reader.Text(MaxText);
        FileVersion? unlessStill = reader.Flag() ? Read(ref reader) : null;
        if (!reader.IsWhole) return Fail("malformed question");
        if (!_files.TryGetValue((table, path), out (string Table, string Path) known))
            return unlessStill is null ? Fail($"there is no table {table}") : new(new PayloadWriter().Byte(Unchanged).Payload);
        try
        {
            if (DirectTableFiles.Open(known.Path, unlessStill, out FileVersion version) is not { } file) return new(new PayloadWriter().Byte(Unchanged).Payload);
            return new(Write(new PayloadWriter().Byte(Opened), version).Payload, file);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return Fail(error.Message);
        }
    }

    internal static PayloadWriter Write(PayloadWriter writer, FileVersion version) =>
        writer.Long((long)version.Inode).Long(version.Created).Long(version.Modified).Long(version.Size);

    internal static FileVersion Read(ref PayloadReader reader) => new((ulong)reader.Long(), reader.Long(), reader.Long(), reader.Long());

    private static ChannelAnswer Fail(string why) => new(new PayloadWriter().Byte(Failed).Text(why).Payload);

    private static IEnumerable<(string Table, string Path)> FilesOf(ServerConfiguration configuration) =>
        configuration.Tables.Values.Where(static table => table.Source is TableSource.File or TableSource.Database or TableSource.Passwd && table.Path is not null)
            .Select(static table => (table.Name, table.Path!));
}
