using System.Text;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>The parent's answers on files that addresses are expanded by, written and read.</summary>
internal static class ExpansionReply
{
    private const byte Failed = 0;
    private const byte Absent = 1;
    private const byte Present = 2;
    private const int MaxText = 8192;

    internal static ChannelAnswer Of(ForwardFile file) => file switch
    {
        { Fault: { } fault } => Of(fault),
        { Content: { } content } => new(new PayloadWriter().Byte(Present).Block(Encoding.UTF8.GetBytes(content)).Payload),
        _ => new(new[] { Absent }),
    };

    internal static ChannelAnswer Of(IncludedFile file) => file.File is { } handle ? new(new[] { Present }, handle) : Of(file.Fault!);

    internal static ForwardFile ReadForward(ChannelAnswer? answer)
    {
        if (answer is null) return new(null, NoAnswer);
        PayloadReader reader = new(answer.Payload.Span);
        switch (reader.Byte())
        {
            case Present:
                string content = reader.Lines(4 * ForwardReader.SizeBound);
                return reader.IsWhole ? new(content) : new(null, NoAnswer);
            case Absent when reader.IsWhole:
                return ForwardFile.Absent;
            default:
                return new(null, ReadFault(ref reader));
        }
    }

    internal static IncludedFile ReadInclude(ChannelAnswer? answer)
    {
        if (answer is null) return new(null, NoAnswer);
        PayloadReader reader = new(answer.Payload.Span);
        if (reader.Byte() != Present) return new(null, ReadFault(ref reader));
        if (answer.Descriptors.Length != 1) return new(null, NoAnswer);
        SafeFileHandle file = new(answer.Descriptors[0].DangerousGetHandle(), ownsHandle: true);
        answer.Descriptors[0].SetHandleAsInvalid();
        return new(file);
    }

    private static ChannelAnswer Of(Fault fault)
    {
        string detail = fault.Detail ?? fault.PublicText;
        return new(new PayloadWriter().Byte(Failed).Text(detail.Length > MaxText / 4 ? detail[..(MaxText / 4)] : detail).Payload);
    }

    private static Fault NoAnswer => Fault.Temporary("Temporary failure", "the parent process does not answer");

    // All of these are temporary.
    private static Fault ReadFault(ref PayloadReader reader)
    {
        string detail = reader.Lines(MaxText);
        return reader.IsWhole ? Fault.Temporary("Temporary failure", detail) : NoAnswer;
    }
}
