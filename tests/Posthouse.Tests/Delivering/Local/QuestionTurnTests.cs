using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Server.Configuration;
using Posthouse.Server.Delivering.Local;
using Posthouse.Server.Processes;

namespace Posthouse.Tests.Delivering.Local;

/// <summary>Many sessions ask the parent at once.</summary>
public sealed class QuestionTurnTests
{
    [Fact]
    public async Task More_questions_than_the_parent_answers_at_a_time_wait_and_are_not_refused()
    {
        GatedFiles files = new();
        LocalSettings settings = new()
        {
            Configuration = static () => new ServerConfiguration(),
            Accounts = static (_, _, _) => new(new AccountAnswer(null)),
            Sources = static (_, _) => new(new SourceAnswer(null)),
            Files = files,
        };
        using InProcessPrivileges privileges = new(settings, TimeProvider.System, NullLogger.Instance);
        Task<ForwardFile>[] asked = [.. Enumerable.Range(0, 300).Select(number => privileges.ReadForwardAsync("local", $"user{number}", TestContext.Current.CancellationToken).AsTask())];
        await files.Full.Task.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        files.Gate.SetResult();
        ForwardFile[] answers = await Task.WhenAll(asked);
        Assert.All(answers, static answer => Assert.Null(answer.Fault));
        Assert.Equal(Enumerable.Range(0, 300).Select(static number => $"user{number}"), answers.Select(static answer => answer.Content));
        Assert.InRange(files.Most, 2, ParentDeliveries.FileBound);
    }

    /// <summary>Answers nobody until so many have asked and the gate is open.</summary>
    private sealed class GatedFiles : IExpansionFiles
    {
        private int _asking;
        private int _most;

        public int Most => _most;

        public TaskCompletionSource Full { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Gate { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public async ValueTask<ForwardFile> ReadForwardAsync(string action, string user, CancellationToken cancellation)
        {
            int asking = Interlocked.Increment(ref _asking);
            for (int most = _most; asking > most && Interlocked.CompareExchange(ref _most, asking, most) != most; most = _most) ;
            if (asking == ParentDeliveries.FileBound) Full.TrySetResult();
            await Gate.Task.WaitAsync(cancellation);
            Interlocked.Decrement(ref _asking);
            return new(user);
        }

        public ValueTask<IncludedFile> OpenIncludeAsync(string action, string key, int index, CancellationToken cancellation) => throw new InvalidOperationException();
    }
}
