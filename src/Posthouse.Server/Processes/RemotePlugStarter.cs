using Posthouse.Server.Model;

namespace Posthouse.Server.Processes;

/// <summary>Has plugs started by the parent, which may become other users: the engine starts nothing itself.</summary>
internal sealed class RemotePlugStarter(Channel parent) : IPlugStarter
{
    /// <summary>How many starts are asked for at a time; the parent refuses more.</summary>
    internal const int StartsAtOnce = 8;

    // Longer than a start may take: the child's patience, and a name service's.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly SemaphoreSlim _turns = new(StartsAtOnce);

    /// <inheritdoc/>
    public async ValueTask<PlugStart> StartAsync(string name, PlugCommand command, int instance, CancellationToken cancellation)
    {
        ReadOnlyMemory<byte> order = new PlugOrder(name, PlugOrder.FingerprintOf(command), instance).ToBytes();
        if (order.Length > Channel.MaxPayload) return new(null, "its name is too long");
        if (!await _turns.WaitAsync(s_patience, cancellation)) return new(null, "other plugs take long to start");
        try
        {
            using ChannelAnswer? answer = await parent.AskAsync(MessageKind.StartPlug, order, s_patience, cancellation);
            (int process, string? failure) = PlugReply.Read(answer);
            return failure is null
                ? new(new RemotePlugProcess(process, LocalPlugStarter.ToSocket(answer!.Descriptors[0]), LocalPlugStarter.ToSocket(answer.Descriptors[1]), LocalPlugStarter.ToSocket(answer.Descriptors[2])), null)
                : new(null, failure);
        }
        finally
        {
            _turns.Release();
        }
    }
}
