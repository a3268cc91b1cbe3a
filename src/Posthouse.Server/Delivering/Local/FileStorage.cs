using System.Buffers;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>Stores messages in maildirs and files as the user that this process is.</summary>
internal sealed class FileStorage(FileContext context, int threads) : IDisposable
{
    private const int BlockSize = 128 * 1024;

    private readonly FileThreads _threads = new(threads);
    private readonly KeyedTurns _turns = new();

    /// <summary>Stores one message.</summary>
    internal async ValueTask<DeliveryResult> StoreAsync(FileTarget target, IMessageContent content, CancellationToken cancellation)
    {
        using IDisposable? turn = target is FileTarget.Mbox mbox ? await _turns.WaitAsync(mbox.Path, cancellation) : null;
        return content.IsWhole
            ? await _threads.RunAsync(() => StoreWhole(target, content.Head))
            : await StoreLargeAsync(target, content, cancellation);
    }

    /// <inheritdoc/>
    public void Dispose() => _threads.Dispose();

    private DeliveryResult StoreWhole(FileTarget target, ReadOnlyMemory<byte> message)
    {
        using IMessageFile? file = target.Open(context, out DeliveryResult? failure);
        return file is null ? failure! : file.Append(message.Span) ?? file.Finish();
    }

    private async ValueTask<DeliveryResult> StoreLargeAsync(FileTarget target, IMessageContent content, CancellationToken cancellation)
    {
        DeliveryResult? failure = null;
        using IMessageFile? file = await _threads.RunAsync(() => target.Open(context, out failure));
        if (file is null) return failure!;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BlockSize);
        try
        {
            // These writes end in the page cache; only the sync waits for the disk.
            failure = file.Append(content.Head.Span);
            while (failure is null)
            {
                int length = await content.ReadAsync(buffer, cancellation);
                if (length == 0) break;
                failure = file.Append(buffer.AsSpan(0, length));
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        return failure ?? await _threads.RunAsync(file.Finish);
    }
}
