using System.Net;
using Posthouse.Server.Tables;

namespace Posthouse.Server.Configuration;

/// <summary>What a configuration needs to know of the machine it is read on. No method throws: what cannot be had is absent.</summary>
public interface IConfigurationEnvironment
{
    /// <summary>The name that the server gives itself.</summary>
    string ServerName { get; }

    /// <summary>The text of a configuration file, at most <see cref="ConfigurationParser.MaxSize"/> bytes.</summary>
    FileText ReadFile(string path);

    /// <summary>A table's file, parsed.</summary>
    TableFile ReadTable(string path);

    /// <summary>Whether a file can be found at that path.</summary>
    bool FileExists(string path);

    /// <summary>
    /// The addresses of an interface, or of all interfaces of a group; for <c>all</c> the unspecified ones, so that interfaces that come up
    /// later count. Empty when there is no such thing.
    /// </summary>
    IReadOnlyList<IPAddress> InterfaceAddresses(string name);

    /// <summary>The addresses of a host; empty when it is unknown or takes longer than five seconds.</summary>
    IReadOnlyList<IPAddress> HostAddresses(string name);

    /// <summary>The TCP port of a service; null when it is unknown.</summary>
    int? ServicePort(string name);

    /// <summary>The path of a program, absolute or looked for in the plug directories; null when it is not there.</summary>
    string? FindProgram(string name);

    /// <summary>Whether the system knows the user.</summary>
    bool UserExists(string name);
}
