using System.Text;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Transport.Keys;

/// <summary>The parent's side of the conversation with the keys process; the channel stays its owner's. Every question has a deadline of ten seconds.</summary>
internal sealed class KeysClient(Channel channel) : IKeyLoader
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(10);

    /// <inheritdoc/>
    public async Task<KeyLoad> LoadAsync(string certificates, SafeFileHandle keyFile, CancellationToken cancellation = default)
    {
        if (Encoding.UTF8.GetByteCount(certificates) > KeysProcess.MaxCertificates)
            return new KeyLoad(null, Fault.Permanent("TLS not available", $"the certificate file is longer than {KeysProcess.MaxCertificates} bytes", 7));
        using ChannelAnswer? answer = await channel.AskAsync(
            MessageKind.LoadKey, new PayloadWriter().Text(certificates).Payload, s_limit, cancellation, Numbers([keyFile]));
        KeyId? id = KeysAnswer.Read(answer, out Fault? fault);
        return new KeyLoad(id, id is null ? fault ?? Fault.Temporary("TLS not available", "the keys process answers without a key", 7) : null);
    }

    /// <summary>Gives the keys process sockets to sign for, at most 32 at a time; the others that it has stay. They are the caller's to close.</summary>
    internal async Task<Fault?> GiveSocketsAsync(IReadOnlyList<SafeFileHandle> sockets, CancellationToken cancellation = default)
    {
        using ChannelAnswer? answer = await channel.AskAsync(MessageKind.ServeSockets, default, s_limit, cancellation, Numbers(sockets));
        KeysAnswer.Read(answer, out Fault? fault);
        return fault;
    }

    /// <inheritdoc/>
    public async Task<Fault?> ForgetAsync(KeyId key, CancellationToken cancellation = default)
    {
        byte[] payload = new byte[KeyId.Size];
        key.Write(payload);
        using ChannelAnswer? answer = await channel.AskAsync(MessageKind.ForgetKey, payload, s_limit, cancellation);
        KeysAnswer.Read(answer, out Fault? fault);
        return fault;
    }

    /// <summary>Null when it answers.</summary>
    internal async Task<Fault?> PingAsync(CancellationToken cancellation = default)
    {
        using ChannelAnswer? answer = await channel.AskAsync(MessageKind.Ping, default, s_limit, cancellation);
        KeysAnswer.Read(answer, out Fault? fault);
        return fault;
    }

    private static int[] Numbers(IReadOnlyList<SafeFileHandle> files) => [.. files.Select(static file => (int)file.DangerousGetHandle())];
}
