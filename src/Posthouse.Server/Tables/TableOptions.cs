using System.Net;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Server.Model;

namespace Posthouse.Server.Tables;

/// <summary>What tables need to know of the server around them.</summary>
public sealed record TableOptions
{
    /// <summary>The server's name, for <c>&lt;localnames&gt;</c>.</summary>
    public string ServerName { get; init; } = "localhost";

    /// <summary>What separates user and sub-address.</summary>
    public char SubAddressDelimiter { get; init; } = '+';

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Where failures to load and ignored entries are told.</summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>Opens a table's file for reading; throws <see cref="IOException"/> or <see cref="UnauthorizedAccessException"/>. By default as this process may.</summary>
    public Func<string, CancellationToken, ValueTask<Stream>> Open { get; init; } = static (path, _) =>
        new(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));

    /// <summary>The addresses of the machine's interfaces, for the built-in tables; asked once.</summary>
    public Func<IReadOnlyList<IPAddress>> InterfaceAddresses { get; init; } = BuiltInTables.InterfaceAddresses;

    /// <summary>Finds an account of the system, for <c>&lt;getpwnam&gt;</c>. By default asks the system's name service.</summary>
    public AccountFinder FindAccount { get; init; } = static name =>
    {
        UserAccount? account = Native.SystemAccounts.Find(name, out int error);
        return new(account, error == 0 ? null : $"the system's user database failed with error {error}");
    };
}
