using Posthouse.Plugs;

namespace Posthouse.Server.Queueing;

/// <summary>Opens bodies, whatever setting they were written under.</summary>
internal static class BodyReader
{
    private const string DamagedHeader = "the header of its body is damaged";

    public static async ValueTask<OpenedMessage> OpenAsync(IQueue store, MessageId message, QueueKey? key, CancellationToken cancellation)
    {
        StoredBody body = new(store, message);
        OpenedMessage opened = default;
        try
        {
            QueueResult result = await body.FillAsync(cancellation);
            if (!result.IsOk)
                return opened = new(result, null);
            if (body.Buffered.IsEmpty || body.Buffered[0] != BodyHeader.FirstByte)
                return opened = BodyHeader.HasTraces(body.Buffered, key) ? Refused(message, DamagedHeader) : new(result, body);
            return opened = await DecodeAsync(body, message, key, cancellation);
        }
        catch (IOException exception)
        {
            return new(QueueResult.Error(exception.Message), null);
        }
        finally
        {
            if (opened.Content is null)
                await body.DisposeAsync();
        }
    }

    private static async ValueTask<OpenedMessage> DecodeAsync(StoredBody body, MessageId message, QueueKey? key, CancellationToken cancellation)
    {
        byte[] start = new byte[BodyHeader.LongSize];
        int length = await body.ReadAtLeastAsync(start.AsMemory(0, BodyHeader.ShortSize), BodyHeader.ShortSize, throwOnEndOfStream: false, cancellation);
        if (length < BodyHeader.ShortSize || BodyHeader.Read(start) is not { } header)
            return Refused(message, "its body has a header that this version does not know");
        Stream content = body;
        if (!header.IsEncrypted && BodyHeader.HasTraces(body.Buffered, key))
            return Refused(message, DamagedHeader);
        if (header.IsEncrypted)
        {
            const int Rest = BodyHeader.LongSize - BodyHeader.ShortSize;
            if (await body.ReadAtLeastAsync(start.AsMemory(BodyHeader.ShortSize), Rest, throwOnEndOfStream: false, cancellation) < Rest)
                return Refused(message, "its body ends within the header");
            if (key is null)
                return Refused(message, "it is encrypted, and no key is configured (queue encryption)") with { NeedsKey = true };
            if (!start.AsSpan(BodyHeader.ShortSize, QueueKey.IdSize).SequenceEqual(key.Id))
                return Refused(message, "it is encrypted with another key than the one configured") with { NeedsKey = true };
            content = new DecryptedBody(body, message, key.ForBody(message, start.AsSpan(BodyHeader.ShortSize + QueueKey.IdSize)), start);
        }

        return new(QueueResult.Ok, header.IsCompressed ? new DecompressedBody(content, message) : content);
    }

    private static OpenedMessage Refused(MessageId message, string reason) => new(QueueResult.Error($"message {message}: {reason}"), null);
}
