using Posthouse.Server.Model;

namespace Posthouse.Server.Processes;

/// <summary>What a configuration does not keep apart.</summary>
internal static class PlugSeparation
{
    /// <summary>Plugs that run as the same user, for the log: <c>a, b and c run as _user</c>. None when nobody changes identity. May block for as long as the name service does.</summary>
    internal static IEnumerable<string> FindSharedUsers(IEnumerable<KeyValuePair<string, PlugCommand>> plugs, ServerUsers users) =>
        users.Plug is null
            ? []
            : plugs.Select(plug => (plug.Key, Account: PlugIdentity.Find(plug.Value, users, out _)))
                .Where(static plug => plug.Account is not null)
                .GroupBy(static plug => plug.Account!.Uid)
                .Select(static same => (Names: same.Select(static plug => plug.Key).Order(StringComparer.Ordinal).ToArray(), same.First().Account!.Name))
                .Where(static same => same.Names.Length > 1)
                .Select(static same => $"{string.Join(", ", same.Names[..^1])} and {same.Names[^1]} run as {same.Name}");
}
