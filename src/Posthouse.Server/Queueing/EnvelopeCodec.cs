using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;
using Posthouse.Plugs;

namespace Posthouse.Server.Queueing;

/// <summary>
/// Envelopes as the store keeps them. In an encrypted queue the whole envelope is sealed into one field, <c>sealed</c> (base64 of version, key id,
/// salt, ciphertext and tag), and outside stays what says nothing of the people: ids, action, times, counts, flags. Of these only the
/// suspended flag is believed when it is opened, so that mail can be held without the key.
/// </summary>
internal sealed class EnvelopeCodec(QueueKey? key)
{
    private const string SealedField = "sealed";
    private const byte Version = 1;
    private const int Overhead = 1 + QueueKey.IdSize + QueueKey.SaltSize + QueueKey.TagSize;

    public byte[] Serialize(Envelope envelope)
    {
        byte[] json = envelope.ToJson();
        return key is null ? json : Outside(envelope, Seal(envelope.Id, json, key)).ToJson();
    }

    /// <summary>Whether an envelope read as it stands in the store is sealed.</summary>
    public static bool IsSealed(Envelope envelope) => envelope.Unknown?.ContainsKey(SealedField) == true;

    /// <summary>Sets or clears the suspended flag without opening the rest.</summary>
    public static byte[] WithSuspension(ReadOnlySpan<byte> json, bool suspended)
    {
        Envelope envelope = Envelope.Parse(json);
        return (envelope with { Flags = Suspension(envelope.Flags, suspended) }).ToJson();
    }

    /// <summary>
    /// Reads what the store has: <see cref="QueueStatus.NotFound"/> for a damaged envelope, with what is wrong in the message;
    /// <see cref="QueueStatus.Error"/> for one that only another key opens.
    /// </summary>
    public (QueueResult Result, Envelope? Envelope) Parse(StoredEnvelope stored)
    {
        try
        {
            Envelope envelope = Envelope.Parse(stored.Json.Span);
            if (envelope.Id != stored.Id)
                return Damaged($"it says its id is {envelope.Id}");
            return envelope.Unknown?.TryGetValue(SealedField, out JsonElement field) == true ? Unseal(envelope, field) : (QueueResult.Ok, envelope);
        }
        catch (JsonException exception)
        {
            return Damaged(exception.Message);
        }
    }

    private static (QueueResult, Envelope?) Damaged(string what) => (new(QueueStatus.NotFound, what), null);

    // What stays readable.
    private static Envelope Outside(Envelope envelope, byte[] secret) => new()
    {
        Id = envelope.Id,
        Session = envelope.Session,
        Kind = envelope.Kind,
        Action = envelope.Action,
        Sender = "",
        Recipient = "",
        Destination = "",
        Flags = envelope.Flags,
        Size = envelope.Size,
        Created = envelope.Created,
        Expires = envelope.Expires,
        Tries = envelope.Tries,
        LastTry = envelope.LastTry,
        NextTry = envelope.NextTry,
        Unknown = new() { [SealedField] = JsonElement.Parse($"\"{Convert.ToBase64String(secret)}\"") },
    };

    private static byte[] Seal(EnvelopeId id, byte[] json, QueueKey key)
    {
        byte[] secret = new byte[Overhead + json.Length];
        secret[0] = Version;
        key.Id.CopyTo(secret.AsSpan(1));
        Span<byte> salt = secret.AsSpan(1 + QueueKey.IdSize, QueueKey.SaltSize);
        RandomNumberGenerator.Fill(salt);
        using AesGcm cipher = key.ForEnvelope(id, salt);
        // The key is used once, so that any nonce will do.
        Span<byte> nonce = stackalloc byte[BodyHeader.NonceSize];
        nonce.Clear();
        cipher.Encrypt(nonce, json, secret.AsSpan(Overhead - QueueKey.TagSize, json.Length), secret.AsSpan(secret.Length - QueueKey.TagSize), Associated(id));
        return secret;
    }

    private (QueueResult, Envelope?) Unseal(Envelope outside, JsonElement field)
    {
        if (field.ValueKind != JsonValueKind.String || !field.TryGetBytesFromBase64(out byte[]? secret) || secret.Length < Overhead || secret[0] != Version)
            return Damaged("its sealed part is malformed");
        if (key is null)
            return (QueueResult.Error("it is encrypted, and no key is configured (queue encryption)"), null);
        if (!secret.AsSpan(1, QueueKey.IdSize).SequenceEqual(key.Id))
            return (QueueResult.Error("it is encrypted with another key than the one configured"), null);
        using AesGcm cipher = key.ForEnvelope(outside.Id, secret.AsSpan(1 + QueueKey.IdSize, QueueKey.SaltSize));
        Span<byte> nonce = stackalloc byte[BodyHeader.NonceSize];
        nonce.Clear();
        byte[] json = new byte[secret.Length - Overhead];
        try
        {
            cipher.Decrypt(nonce, secret.AsSpan(Overhead - QueueKey.TagSize, json.Length), secret.AsSpan(secret.Length - QueueKey.TagSize), json, Associated(outside.Id));
        }
        catch (AuthenticationTagMismatchException)
        {
            return Damaged("its sealed part is damaged, or was tampered with");
        }

        Envelope envelope = Envelope.Parse(json);
        return (QueueResult.Ok, envelope with { Flags = Suspension(envelope.Flags, outside.Flags.HasFlag(EnvelopeFlags.Suspended)) });
    }

    private static EnvelopeFlags Suspension(EnvelopeFlags flags, bool suspended) =>
        suspended ? flags | EnvelopeFlags.Suspended : flags & ~EnvelopeFlags.Suspended;

    private static byte[] Associated(EnvelopeId id)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, id.Value);
        return bytes;
    }
}
