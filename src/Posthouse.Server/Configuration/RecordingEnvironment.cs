using System.Net;
using Posthouse.Server.Processes;
using Posthouse.Server.Tables;

namespace Posthouse.Server.Configuration;

/// <summary>
/// Passes on what another environment answers and remembers it, so that a process that may not open the files can read
/// the very same configuration: see <see cref="RecordedEnvironment"/>.
/// </summary>
public sealed class RecordingEnvironment(IConfigurationEnvironment inner) : IConfigurationEnvironment
{
    private readonly Dictionary<(RecordedQuestion, string), Action<PayloadWriter>> _answers = [];

    /// <inheritdoc/>
    public string ServerName
    {
        get
        {
            string name = inner.ServerName;
            _answers[(RecordedQuestion.ServerName, "")] = writer => writer.Text(name);
            return name;
        }
    }

    /// <inheritdoc/>
    public FileText ReadFile(string path)
    {
        FileText file = inner.ReadFile(path);
        _answers[(RecordedQuestion.File, path)] = writer => writer.Flag(file.Text is not null).Text(file.Text ?? file.Error ?? "");
        return file;
    }

    /// <inheritdoc/>
    public TableFile ReadTable(string path)
    {
        TableFile table = inner.ReadTable(path);
        // The entries are read again, and kept up to date, by whoever serves the table.
        _answers[(RecordedQuestion.Table, path)] = writer => writer.Flag(table.Kind == TableKind.List).Flag(table.IsEmpty);
        return table;
    }

    /// <inheritdoc/>
    public bool FileExists(string path)
    {
        bool exists = inner.FileExists(path);
        _answers[(RecordedQuestion.FileExists, path)] = writer => writer.Flag(exists);
        return exists;
    }

    /// <inheritdoc/>
    public IReadOnlyList<IPAddress> InterfaceAddresses(string name)
    {
        IReadOnlyList<IPAddress> addresses = inner.InterfaceAddresses(name);
        _answers[(RecordedQuestion.Interface, name)] = writer => Write(writer, addresses);
        return addresses;
    }

    /// <inheritdoc/>
    public IReadOnlyList<IPAddress> HostAddresses(string name)
    {
        IReadOnlyList<IPAddress> addresses = inner.HostAddresses(name);
        _answers[(RecordedQuestion.Host, name)] = writer => Write(writer, addresses);
        return addresses;
    }

    /// <inheritdoc/>
    public int? ServicePort(string name)
    {
        int? port = inner.ServicePort(name);
        _answers[(RecordedQuestion.Service, name)] = writer => writer.Number(port ?? -1);
        return port;
    }

    /// <inheritdoc/>
    public string? FindProgram(string name)
    {
        string? path = inner.FindProgram(name);
        _answers[(RecordedQuestion.Program, name)] = writer => writer.Flag(path is not null).Text(path ?? "");
        return path;
    }

    /// <inheritdoc/>
    public bool UserExists(string name)
    {
        bool exists = inner.UserExists(name);
        _answers[(RecordedQuestion.User, name)] = writer => writer.Flag(exists);
        return exists;
    }

    /// <summary>Writes all that was answered so far.</summary>
    internal void Write(PayloadWriter writer)
    {
        writer.Number(_answers.Count);
        foreach (((RecordedQuestion question, string name), Action<PayloadWriter> answer) in _answers)
        {
            PayloadWriter one = new();
            answer(one);
            writer.Byte((byte)question).Text(name).Block(one.Payload.Span);
        }
    }

    private static void Write(PayloadWriter writer, IReadOnlyList<IPAddress> addresses)
    {
        writer.Number(addresses.Count);
        foreach (IPAddress address in addresses) writer.Text(address.ToString());
    }
}
