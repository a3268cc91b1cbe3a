using System.Net;
using Posthouse.Server.Processes;
using Posthouse.Server.Tables;

namespace Posthouse.Server.Configuration;

/// <summary>Answers as a machine did before a <see cref="RecordingEnvironment"/>; what was not asked then is absent now.</summary>
public sealed class RecordedEnvironment : IConfigurationEnvironment
{
    private const int MaxAnswers = 1 << 20;
    private const int MaxAnswer = 4 * ConfigurationParser.MaxSize;

    private readonly Dictionary<(RecordedQuestion, string), byte[]> _answers = [];

    private RecordedEnvironment()
    {
    }

    /// <inheritdoc/>
    public string ServerName => Reader(RecordedQuestion.ServerName, "") is { } answer ? new PayloadReader(answer).Text(MaxAnswer) : "localhost";

    /// <summary>Reads what <see cref="RecordingEnvironment"/> wrote; null when it is malformed.</summary>
    internal static RecordedEnvironment? Read(ref PayloadReader reader)
    {
        RecordedEnvironment environment = new();
        int count = reader.Count(MaxAnswers);
        for (int i = 0; i < count && reader.IsSound; i++)
        {
            RecordedQuestion question = (RecordedQuestion)reader.Byte();
            string name = reader.Lines(MaxAnswer);
            environment._answers[(question, name)] = reader.Block(MaxAnswer).ToArray();
        }
        return reader.IsSound ? environment : null;
    }

    /// <inheritdoc/>
    public FileText ReadFile(string path)
    {
        if (Reader(RecordedQuestion.File, path) is not { } answer) return FileText.Failed("it was not read before");
        PayloadReader reader = new(answer);
        return reader.Flag() ? FileText.Of(reader.Lines(MaxAnswer)) : FileText.Failed(reader.Lines(MaxAnswer));
    }

    /// <inheritdoc/>
    public TableFile ReadTable(string path)
    {
        if (Reader(RecordedQuestion.Table, path) is not { } answer) return TableFile.Known(path, TableKind.Mapping, isEmpty: true);
        PayloadReader reader = new(answer);
        return TableFile.Known(path, reader.Flag() ? TableKind.List : TableKind.Mapping, reader.Flag());
    }

    /// <inheritdoc/>
    public bool FileExists(string path) => Reader(RecordedQuestion.FileExists, path) is { } answer && new PayloadReader(answer).Flag();

    /// <inheritdoc/>
    public IReadOnlyList<IPAddress> InterfaceAddresses(string name) => Addresses(RecordedQuestion.Interface, name);

    /// <inheritdoc/>
    public IReadOnlyList<IPAddress> HostAddresses(string name) => Addresses(RecordedQuestion.Host, name);

    /// <inheritdoc/>
    public int? ServicePort(string name) => Reader(RecordedQuestion.Service, name) is { } answer && new PayloadReader(answer).Number() is >= 0 and int port ? port : null;

    /// <inheritdoc/>
    public string? FindProgram(string name)
    {
        if (Reader(RecordedQuestion.Program, name) is not { } answer) return null;
        PayloadReader reader = new(answer);
        return reader.Flag() ? reader.Lines(MaxAnswer) : null;
    }

    /// <inheritdoc/>
    public bool UserExists(string name) => Reader(RecordedQuestion.User, name) is { } answer && new PayloadReader(answer).Flag();

    private byte[]? Reader(RecordedQuestion question, string name) => _answers.GetValueOrDefault((question, name));

    private List<IPAddress> Addresses(RecordedQuestion question, string name)
    {
        List<IPAddress> addresses = [];
        if (Reader(question, name) is not { } answer) return addresses;
        PayloadReader reader = new(answer);
        int count = reader.Count(MaxAnswers);
        for (int i = 0; i < count; i++)
            if (IPAddress.TryParse(reader.Text(64), out IPAddress? address)) addresses.Add(address);
        return addresses;
    }
}
