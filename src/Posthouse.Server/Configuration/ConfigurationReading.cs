using Posthouse.Server.Processes;

namespace Posthouse.Server.Configuration;

/// <summary>
/// A configuration as it was read, with everything that was found on the machine meanwhile: another process, which may
/// open none of the files, can read the very same again.
/// </summary>
public sealed class ConfigurationReading
{
    private const int MaxText = 1 << 16;

    private readonly string _path;
    private readonly IReadOnlyDictionary<string, string> _defines;
    private readonly string? _backend;
    private readonly RecordingEnvironment? _recording;

    private ConfigurationReading(string path, IReadOnlyDictionary<string, string> defines, string? backend, IConfigurationEnvironment environment, bool verbose)
    {
        _path = path;
        _defines = defines;
        _backend = backend;
        _recording = environment as RecordingEnvironment;
        Result = ConfigurationParser.Parse(path, defines, environment, verbose);
        Configuration = backend is null || Result.Configuration is null
            ? Result.Configuration
            : Result.Configuration with { Queue = Result.Configuration.Queue with { Backend = backend } };
    }

    /// <summary>What came of it.</summary>
    public ConfigurationResult Result { get; }

    /// <summary>The configuration, with the queue that the command line may have chosen; null when it has errors.</summary>
    public ServerConfiguration? Configuration { get; }

    /// <summary>Reads the file at <paramref name="path"/>.</summary>
    /// <param name="path">The file.</param>
    /// <param name="defines">Macros that win over those of the file.</param>
    /// <param name="backend">The queue that wins over that of the file; null for that one.</param>
    /// <param name="verbose">Whether macros that nothing uses get a warning.</param>
    public static ConfigurationReading Read(string path, IReadOnlyDictionary<string, string> defines, string? backend = null, bool verbose = false) =>
        new(path, defines, backend, new RecordingEnvironment(new SystemConfigurationEnvironment()), verbose);

    /// <summary>Reads the same file again, as it is now.</summary>
    public ConfigurationReading ReadAgain() => Read(_path, _defines, _backend);

    /// <summary>Writes down all that is needed to read it elsewhere.</summary>
    internal void Write(PayloadWriter writer)
    {
        writer.Text(_path).Optional(_backend).Number(_defines.Count);
        foreach ((string name, string value) in _defines) writer.Text(name).Text(value);
        (_recording ?? throw new InvalidOperationException("what was read from a record is not recorded")).Write(writer);
    }

    /// <summary>Reads what <see cref="Write"/> wrote down; null when it is malformed.</summary>
    internal static ConfigurationReading? Read(ref PayloadReader reader)
    {
        string path = reader.Lines(MaxText);
        string? backend = reader.Optional(MaxText);
        Dictionary<string, string> defines = new(StringComparer.Ordinal);
        int count = reader.Count(MaxText);
        for (int i = 0; i < count && reader.IsSound; i++)
        {
            string name = reader.Lines(MaxText);
            defines[name] = reader.Lines(MaxText);
        }
        return RecordedEnvironment.Read(ref reader) is { } environment ? new(path, defines, backend, environment, verbose: false) : null;
    }
}
