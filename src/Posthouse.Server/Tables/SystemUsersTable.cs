using System.Globalization;
using Posthouse.Plugs;

namespace Posthouse.Server.Tables;

/// <summary>The accounts of the system, <c>&lt;getpwnam&gt;</c>: answers <c>uid:gid:home</c>. Answers are kept for a few seconds, since a name service may be slow.</summary>
public sealed class SystemUsersTable : ITable
{
    private const int MaxKept = 4096;
    private static readonly TimeSpan s_keptFor = TimeSpan.FromSeconds(5);

    private readonly TableOptions _options;
    private readonly System.Collections.Concurrent.ConcurrentDictionary<string, (TableResult Result, long At)> _kept = new(StringComparer.Ordinal);

    /// <summary>Asks <see cref="TableOptions.FindAccount"/>.</summary>
    public SystemUsersTable(TableOptions options) => _options = options;

    /// <inheritdoc/>
    public bool Supports(TableService service) => service == TableService.UserInfo;

    /// <inheritdoc/>
    public async ValueTask<TableResult> CheckAsync(TableService service, string key, CancellationToken cancellation = default)
    {
        TableResult result = await LookupAsync(service, key, cancellation);
        return result.IsFound ? TableResult.Found() : result;
    }

    /// <inheritdoc/>
    public ValueTask<TableResult> LookupAsync(TableService service, string key, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (!Supports(service))
            return new(TableResult.Error($"cannot be used for {service} lookups"));
        if (_kept.TryGetValue(key, out (TableResult Result, long At) kept) && _options.Time.GetElapsedTime(kept.At) < s_keptFor)
            return new(kept.Result);
        return AskAsync(key, cancellation);
    }

    /// <inheritdoc/>
    public ValueTask<TableResult> FetchAsync(TableService service, CancellationToken cancellation = default) =>
        new(TableResult.Error($"cannot be used for {service} lookups"));

    /// <inheritdoc/>
    public ValueTask<TableResult> UpdateAsync(CancellationToken cancellation = default)
    {
        _kept.Clear();
        return new(TableResult.Found());
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private async ValueTask<TableResult> AskAsync(string key, CancellationToken cancellation)
    {
        AccountLookup answer = await Task.Run(() => _options.FindAccount(key), cancellation);
        if (answer.Error is not null)
            return TableResult.Error(answer.Error);
        TableResult result = answer.Account is { } account
            ? TableResult.Found(string.Create(CultureInfo.InvariantCulture, $"{account.Uid}:{account.Gid}:{account.Home}"))
            : TableResult.NotFound;
        if (_kept.Count >= MaxKept)
            _kept.Clear();
        _kept[key] = (result, _options.Time.GetTimestamp());
        return result;
    }
}
