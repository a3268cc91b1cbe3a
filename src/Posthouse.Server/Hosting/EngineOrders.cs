using Posthouse.Server.Configuration;
using Posthouse.Server.Processes;
using Posthouse.Server.Transport;

namespace Posthouse.Server.Hosting;

/// <summary>All that the parent tells an engine: how to serve, by which configuration, and with which certificates. It holds a secret, the key of the queue.</summary>
internal sealed record EngineOrders
{
    /// <summary>Largest form in bytes.</summary>
    internal const int MaxSize = 256 << 20;

    private const int MaxText = 1 << 20;

    /// <summary>How to serve.</summary>
    internal required ServeOptions Options { get; init; }

    /// <summary>The user who started the server, and may control it besides root.</summary>
    internal uint Owner { get; init; }

    /// <summary>Whether the log tells everything.</summary>
    internal bool Verbose { get; init; }

    /// <summary>How the engine before this one ended; null for the first.</summary>
    internal ProcessEnd? Predecessor { get; init; }

    /// <summary>The configuration.</summary>
    internal required ConfigurationReading Reading { get; init; }

    /// <summary>Certificates and authorities.</summary>
    internal required CertificateTexts Certificates { get; init; }

    /// <summary>The orders as bytes.</summary>
    internal ReadOnlyMemory<byte> ToBytes()
    {
        PayloadWriter writer = new();
        writer.Text(Options.State.Path).Flag(Options.PauseSmtp).Flag(Options.PauseMda).Flag(Options.PauseMta).Flag(Options.IgnoreUnsupported);
        writer.Block(Options.QueueKey ?? []).Number((int)Owner).Flag(Verbose).Flag(Predecessor is not null);
        if (Predecessor is { } end) writer.Number(end.Code).Number(end.Signal);
        CertificateMessage.Write(writer, Certificates);
        Reading.Write(writer);
        return writer.Payload;
    }

    /// <summary>Reads orders; null when they are malformed.</summary>
    internal static EngineOrders? Parse(ReadOnlySpan<byte> bytes)
    {
        PayloadReader reader = new(bytes);
        ServeOptions options = new()
        {
            State = new(reader.Lines(MaxText)),
            PauseSmtp = reader.Flag(),
            PauseMda = reader.Flag(),
            PauseMta = reader.Flag(),
            IgnoreUnsupported = reader.Flag(),
            QueueKey = reader.Block(64) is { IsEmpty: false } key ? key.ToArray() : null,
        };
        uint owner = (uint)reader.Number();
        bool verbose = reader.Flag();
        ProcessEnd? predecessor = reader.Flag() ? new(reader.Number(), reader.Number()) : null;
        CertificateTexts certificates = CertificateMessage.Read(ref reader);
        return ConfigurationReading.Read(ref reader) is { } reading && reader.IsWhole
            ? new()
            {
                Options = options,
                Owner = owner,
                Verbose = verbose,
                Predecessor = predecessor,
                Reading = reading,
                Certificates = certificates,
            }
            : null;
    }

    /// <summary>Tells no secret.</summary>
    public override string ToString() => $"EngineOrders {{ State = {Options.State.Path} }}";
}
