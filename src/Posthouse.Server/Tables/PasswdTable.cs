using System.Globalization;
using System.Text;
using Posthouse.Plugs;

namespace Posthouse.Server.Tables;

/// <summary>
/// A file in the form of passwd(5), <c>user:hash:uid:gid:…:home[:shell]</c>: for users (uid:gid:home) and for passwords
/// (user:hash, or checked here by crypt(3)). The fields between may be the three of passwd or the six of master.passwd.
/// </summary>
public sealed class PasswdTable(string name, string path, TableOptions options) : ITable
{
    private readonly PasswdFileTable _file = new(name, path, options);

    /// <inheritdoc/>
    public bool Supports(TableService service) => service is TableService.UserInfo or TableService.Credentials or TableService.Auth or TableService.Alias;

    /// <inheritdoc/>
    public async ValueTask<TableResult> CheckAsync(TableService service, string key, CancellationToken cancellation = default)
    {
        if (service != TableService.Auth)
            return (await LookupAsync(service, key, cancellation)) is { IsFound: true } ? TableResult.Found() : TableResult.NotFound;
        int colon = key.IndexOf(':', StringComparison.Ordinal);
        if (colon <= 0)
            return TableResult.NotFound;
        TableResult line = await _file.LookupAsync(TableService.Credentials, key[..colon], cancellation);
        if (!line.IsFound)
            return line;
        string password = key[(colon + 1)..], hash = line.Value!.Split(':')[0];
        return await Task.Run(() => Native.CryptPassword.Verify(password, hash), cancellation) ? TableResult.Found() : TableResult.NotFound;
    }

    /// <inheritdoc/>
    public async ValueTask<TableResult> LookupAsync(TableService service, string key, CancellationToken cancellation = default)
    {
        if (!Supports(service) || service == TableService.Auth)
            return TableResult.Error($"cannot be used for {service} lookups");
        TableResult line = await _file.LookupAsync(TableService.Credentials, key, cancellation);
        if (!line.IsFound)
            return line;
        string[] fields = line.Value!.Split(':');
        return TableResult.Found(service switch
        {
            TableService.Credentials => $"{key}:{fields[0]}",
            TableService.Alias => key,
            _ => $"{fields[1]}:{fields[2]}:{Home(fields)}",
        });
    }

    /// <inheritdoc/>
    public ValueTask<TableResult> FetchAsync(TableService service, CancellationToken cancellation = default) =>
        new(TableResult.Error($"cannot be used for {service} lookups"));

    /// <inheritdoc/>
    public ValueTask<TableResult> UpdateAsync(CancellationToken cancellation = default) => _file.UpdateAsync(cancellation);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _file.DisposeAsync();

    // hash:uid:gid:gecos:home:shell, or hash:uid:gid:class:change:expire:gecos:home:shell.
    private static string Home(string[] fields) => fields.Length >= 9 ? fields[7] : fields.Length >= 5 ? fields[4] : "";

    private sealed class PasswdFileTable(string name, string path, TableOptions options) : FileTable(name, path, options)
    {
        protected override (TableKind Kind, IReadOnlyList<TableEntry> Entries) Parse(Stream stream, string path, out IReadOnlyList<TableFileError> errors)
        {
            List<TableFileError> wrong = [];
            List<TableEntry> entries = [];
            using StreamReader reader = new(stream, Encoding.UTF8, leaveOpen: true);
            int number = 0;
            while (reader.ReadLine() is { } line)
            {
                number++;
                line = line.Trim();
                if (line.Length == 0 || line[0] == '#')
                    continue;
                int colon = line.IndexOf(':', StringComparison.Ordinal);
                string[] fields = colon < 0 ? [] : line[(colon + 1)..].Split(':');
                // table-passwd's own files may leave everything behind the password empty.
                if (colon <= 0 || fields.Length < 5 || !IsNumber(fields[1]) || !IsNumber(fields[2]) || line.AsSpan().ContainsAnyInRange('\0', '\x1f'))
                    wrong.Add(new(path, number, 1, colon < 0 ? line : line[..colon], "user:password:uid:gid:gecos:home:shell"));
                else
                    entries.Add(new(line[..colon], line[(colon + 1)..], number));
            }

            errors = wrong;
            return (TableKind.Mapping, entries);
        }

        private static bool IsNumber(string text) => text.Length == 0 || uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out _);
    }
}
