using Posthouse.Server.Processes;
using Posthouse.Server.Transport;

namespace Posthouse.Server.Hosting;

/// <summary>Certificates and authorities as the parent hands them to the engine.</summary>
internal static class CertificateMessage
{
    /// <summary>Largest form in bytes.</summary>
    internal const int MaxSize = 256 << 20;

    private const int MaxText = 4 << 20;
    private const int MaxCount = 10_000;

    internal static ReadOnlyMemory<byte> ToBytes(CertificateTexts texts)
    {
        PayloadWriter writer = new();
        Write(writer, texts);
        return writer.Payload;
    }

    internal static void Write(PayloadWriter writer, CertificateTexts texts)
    {
        foreach (IReadOnlyList<NamedPem> list in (ReadOnlySpan<IReadOnlyList<NamedPem>>)[texts.Pki, texts.Authorities])
        {
            writer.Number(list.Count);
            foreach (NamedPem pem in list) writer.Text(pem.Name).Text(pem.Pem);
        }
    }

    internal static CertificateTexts Read(ref PayloadReader reader) => new(List(ref reader), List(ref reader));

    private static NamedPem[] List(ref PayloadReader reader)
    {
        NamedPem[] list = new NamedPem[reader.Count(MaxCount)];
        for (int i = 0; i < list.Length; i++) list[i] = new(reader.Lines(MaxText), reader.Lines(MaxText));
        return list;
    }
}
