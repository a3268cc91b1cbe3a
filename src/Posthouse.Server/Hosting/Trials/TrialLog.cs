using Microsoft.Extensions.Logging;
using Posthouse.Server.Control;
using Posthouse.Server.Filtering;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Hosting.Trials;

/// <summary>The server's log as a trial wants it: warnings and errors, what the filter complains of, and that it cannot be had.</summary>
internal sealed class TrialLog(Action<TrialLine> said) : ILogger
{
    private readonly TaskCompletionSource<string> _unready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes with the reason when the filter could not be started, or ended before its first answer.</summary>
    internal Task<string> Unready => _unready.Task;

    /// <summary>From now on the filter is ready, and whatever ends it is only told.</summary>
    internal bool IsReady { get; set; }

    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

    /// <inheritdoc/>
    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        // Of the users and sandboxes of a server there is nothing here.
        if (!IsEnabled(logLevel) || eventId.Name == nameof(ProcessesLog.PlugsNotSeparated)) return;
        IReadOnlyList<KeyValuePair<string, object?>> values = state as IReadOnlyList<KeyValuePair<string, object?>> ?? [];
        if (eventId.Name == nameof(FilteringLog.Said))
        {
            said(new(TrialSource.FilterErrors, Value("Line")));
            return;
        }
        string? failure = eventId.Name switch
        {
            nameof(FilteringLog.NotStarted) => $"the filter cannot be started: {Value("Why")}",
            nameof(FilteringLog.EndedAtStart) => $"the filter ended ({Value("End")}) before it said register|ready",
            nameof(FilteringLog.Broke) when !IsReady => $"the filter cannot be used: {Value("Why")}",
            _ => null,
        };
        if (failure is not null && !IsReady && _unready.TrySetResult(failure)) return;
        said(new(TrialSource.Log, QueueLine.Visible(failure ?? formatter(state, exception) + (exception is null ? "" : $": {exception.Message}"))));

        string Value(string name) => values.FirstOrDefault(value => value.Key == name).Value?.ToString() ?? "";
    }
}
