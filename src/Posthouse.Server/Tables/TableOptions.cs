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

    /// <summary>Opens the files of tables. By default as this process may.</summary>
    public ITableFiles Files { get; init; } = DirectTableFiles.Instance;

    /// <summary>
    /// A directory into which a database is copied before it is opened, because this process may have a descriptor of the file but not its path; the copy has no name
    /// left when it is in use. Null: databases are opened by their path.
    /// </summary>
    public string? Scratch { get; init; }

    /// <summary>The addresses of the machine's interfaces, for the built-in tables; asked once.</summary>
    public Func<IReadOnlyList<IPAddress>> InterfaceAddresses { get; init; } = BuiltInTables.InterfaceAddresses;

    /// <summary>Finds an account of the system, for <c>&lt;getpwnam&gt;</c>. By default asks the system's name service.</summary>
    public AccountFinder FindAccount { get; init; } = static name =>
    {
        UserAccount? account = Native.SystemAccounts.Find(name, out int error);
        return new(account, error == 0 ? null : $"the system's user database failed with error {error}");
    };
}
