using Posthouse.Server.Configuration;
using Posthouse.Server.Tables;

namespace Posthouse.Server.Delivering.Local;

/// <summary>A configuration and its tables, which stay open until this is disposed.</summary>
/// <param name="Configuration">The configuration.</param>
/// <param name="Tables">Its tables.</param>
/// <param name="Leave">Called when they are needed no more.</param>
public sealed record ConfiguredTables(ServerConfiguration Configuration, TableSet Tables, Action? Leave = null) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose() => Leave?.Invoke();
}
