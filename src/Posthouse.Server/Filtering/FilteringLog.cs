using Microsoft.Extensions.Logging;

namespace Posthouse.Server.Filtering;

/// <summary>What filters write into the log.</summary>
internal static partial class FilteringLog
{
    [LoggerMessage(2301, LogLevel.Information, "filter {Filter}: started, pid {Process}")]
    public static partial void Started(ILogger logger, string filter, int process);

    [LoggerMessage(2302, LogLevel.Warning, "filter {Filter}: pid {Process} ended ({End}); it is started again, and asked again what it had not answered")]
    public static partial void Ended(ILogger logger, string filter, int process, string end);

    [LoggerMessage(2303, LogLevel.Warning, "filter {Filter}: pid {Process} ended ({End}) before it said register|ready: see what it wrote above, and try its command ({Place}) by `posthouse filter run`")]
    public static partial void EndedAtStart(ILogger logger, string filter, int process, string end, string place);

    [LoggerMessage(2304, LogLevel.Warning, "filter {Filter}: pid {Process} was ended and is started again: {Why}")]
    public static partial void Broke(ILogger logger, string filter, int process, string why);

    [LoggerMessage(2305, LogLevel.Error, "filter {Filter}: cannot be started ({Place}): {Why}")]
    public static partial void NotStarted(ILogger logger, string filter, string place, string why);

    [LoggerMessage(2306, LogLevel.Information, "filter {Filter}: stopped, pid {Process}")]
    public static partial void Stopped(ILogger logger, string filter, int process);

    [LoggerMessage(2307, LogLevel.Error, "{Session} filter {Filter}: died twice with nothing else to answer but {Request}; it is answered by on-failure {Policy}")]
    public static partial void Convicted(ILogger logger, string session, string filter, string request, string policy);

    [LoggerMessage(2308, LogLevel.Warning, "{Session} filter {Filter}: no answer in time to {Request}; it is answered by on-failure {Policy}")]
    public static partial void Overdue(ILogger logger, string session, string filter, string request, string policy);

    [LoggerMessage(2309, LogLevel.Warning, "{Session} filter {Filter}: an answer with control bytes counts as none: {Line}")]
    public static partial void ControlBytes(ILogger logger, string session, string filter, string line);

    [LoggerMessage(2310, LogLevel.Warning, "{Session} filter {Filter}: junk at commit is too late, the message goes on unmarked")]
    public static partial void JunkTooLate(ILogger logger, string session, string filter);

    [LoggerMessage(2311, LogLevel.Warning, "{Session} message {Message} fails: filter {Filter} {Why}")]
    public static partial void MessageFailed(ILogger logger, string session, string message, string filter, string why);

    [LoggerMessage(2312, LogLevel.Warning, "{Filter}: {Line}")]
    public static partial void Said(ILogger logger, string filter, string line);

    [LoggerMessage(2313, LogLevel.Warning, "filter {Filter}: pid {Process} writes too much to its standard error; some of it is not logged")]
    public static partial void SaidTooMuch(ILogger logger, string filter, int process);

    [LoggerMessage(2314, LogLevel.Warning, "filter {Filter}: registers what this server does not know and never sends: {What}")]
    public static partial void UnknownRegistration(ILogger logger, string filter, string what);

    [LoggerMessage(2315, LogLevel.Warning, "filter {Filter}: has no effect after register|ready: {Line}")]
    public static partial void RegisteredLate(ILogger logger, string filter, string line);

    [LoggerMessage(2316, LogLevel.Error, "filter {Filter}: failed inside the server")]
    public static partial void Failed(ILogger logger, string filter, Exception error);

    [LoggerMessage(2317, LogLevel.Warning, "filter {Filter}: table {Table}: {Why}; the command gets a temporary failure")]
    public static partial void TableFailed(ILogger logger, string filter, string table, string why);
}
