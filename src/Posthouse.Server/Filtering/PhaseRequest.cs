using System.Threading.Tasks.Sources;
using Posthouse.Server.Configuration;

namespace Posthouse.Server.Filtering;

/// <summary>A question about a command. A session asks one filter one question at a time, so that each link has one of these.</summary>
internal sealed class PhaseRequest(FilterLink link) : FilterRequest(link), IValueTaskSource<FilterAnswer>
{
    private ManualResetValueTaskSourceCore<FilterAnswer> _core = new();

    internal FilterPhase Phase { get; private set; }

    internal string Parameter { get; private set; } = "";

    /// <summary>Whether the session waits for the answer.</summary>
    internal bool IsOpen { get; private set; }

    internal override bool IsWhole => true;

    internal ValueTask<FilterAnswer> Begin(FilterPhase phase, string parameter)
    {
        _core.Reset();
        Phase = phase;
        Parameter = parameter;
        IsOpen = true;
        Token = 0;
        Deaths = 0;
        return new(this, _core.Version);
    }

    /// <summary>Answers; the session goes on elsewhere, or with <paramref name="here"/> before this returns, which must then not be under a lock.</summary>
    internal void Answer(FilterAnswer answer, bool here = false)
    {
        if (!IsOpen) return;
        IsOpen = false;
        _core.RunContinuationsAsynchronously = !here;
        _core.SetResult(answer);
    }

    FilterAnswer IValueTaskSource<FilterAnswer>.GetResult(short token) => _core.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<FilterAnswer>.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<FilterAnswer>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);
}
