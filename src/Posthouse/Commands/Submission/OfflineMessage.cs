using System.Buffers;
using System.Text;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;

namespace Posthouse.Commands.Submission;

/// <summary>
/// A message that waits in a file until a server answers (<see cref="OfflineDirectory"/>): a line that begins with
/// <see cref="Mark"/> and holds who sends it to whom as JSON, and then the message as it is to be sent.
/// </summary>
public static class OfflineMessage
{
    /// <summary>What such a file begins with. A file of another kind that somebody moves into the directory is not taken for mail.</summary>
    public const string Mark = "posthouse-offline-mail 1 ";

    private const int LongestLine = 1 << 20;
    private const int LargestMessage = 35 << 20;
    private const uint OwnerOnly = 0x180;

    /// <summary>Keeps a message for the server of that state directory; null when it is on stable storage, otherwise why it could not be kept.</summary>
    public static string? Save(StateDirectory state, Delivery delivery, Draft draft)
    {
        if (delivery.Recipients.Append(delivery.Sender).Any(static address => address.Any(char.IsControl))) return "an address has control characters";
        if (draft.Size > LargestMessage) return "it is too large to be kept";
        int error = FileDescriptor.Open(state.Offline, OpenFlags.PathOnly | OpenFlags.Directory | OpenFlags.NoFollow, 0, out SafeFileHandle? directory);
        if (error != 0) return Errno.Text(error);
        using (directory)
        {
            if (FileDescriptor.Status(directory!, out FileStatus status) != 0 || (status.Uid != 0 && status.Uid != SystemAccounts.EffectiveUser)) return "its directory is somebody else's";
            string name = OfflineDirectory.DrawName(), temporary = name + OfflineDirectory.NewSuffix;
            error = FileDescriptor.OpenAt(directory!, temporary, OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Exclusive | OpenFlags.NoFollow, OwnerOnly, out SafeFileHandle? file);
            if (error != 0) return Errno.Text(error);
            string? failure = Write(file!, delivery, draft);
            // Half a message must never have a name under which it is taken.
            if (failure is null && (error = FileDescriptor.RenameAt(directory!, temporary, name)) == 0)
            {
                error = FileDescriptor.SyncFileSystem(file!);
                temporary = name;
            }
            failure ??= error == 0 ? null : Errno.Text(error);
            if (failure is not null) FileDescriptor.RemoveAt(directory!, temporary);
            file!.Dispose();
            return failure;
        }
    }

    /// <summary>Reads what <see cref="Save"/> wrote; null if it is something else.</summary>
    public static (Delivery Delivery, Draft Draft)? Read(Stream input)
    {
        BufferedStream buffered = new(input, 64 * 1024);
        ArrayBufferWriter<byte> line = new();
        for (int value; (value = buffered.ReadByte()) != '\n';)
        {
            if (value < 0 || line.WrittenCount >= LongestLine) return null;
            line.Write([(byte)value]);
        }
        ReadOnlySpan<byte> mark = Encoding.ASCII.GetBytes(Mark);
        if (!line.WrittenSpan.StartsWith(mark) || Parse(line.WrittenMemory[mark.Length..]) is not { } delivery) return null;
        return (delivery, Draft.Read(buffered, dotEnds: false));
    }

    private static string? Write(SafeFileHandle file, Delivery delivery, Draft draft)
    {
        try
        {
            using FileStream stream = new(new SafeFileHandle(file.DangerousGetHandle(), ownsHandle: false), FileAccess.Write);
            ArrayBufferWriter<byte> line = new();
            line.Write(Encoding.ASCII.GetBytes(Mark));
            using (Utf8JsonWriter json = new(line)) Write(json, delivery);
            line.Write("\n"u8);
            stream.Write(line.WrittenSpan);
            draft.SaveTo(stream);
            stream.Flush();
            return FileDescriptor.Sync(file) is not 0 and int error ? Errno.Text(error) : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return error.Message;
        }
    }

    private static void Write(Utf8JsonWriter json, Delivery delivery)
    {
        json.WriteStartObject();
        json.WriteString("from", delivery.Sender);
        json.WriteStartArray("to");
        foreach (string recipient in delivery.Recipients) json.WriteStringValue(recipient);
        json.WriteEndArray();
        if (delivery.Notify is { } notify) json.WriteString("notify", notify);
        if (delivery.Return is { } what) json.WriteString("ret", what);
        if (delivery.EnvelopeId is { } id) json.WriteString("envid", id);
        json.WriteEndObject();
    }

    private static Delivery? Parse(ReadOnlyMemory<byte> text)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            JsonElement root = document.RootElement;
            Delivery delivery = new(Text(root.GetProperty("from")), [.. root.GetProperty("to").EnumerateArray().Select(Text)])
            {
                Notify = Optional(root, "notify"),
                Return = Optional(root, "ret"),
                EnvelopeId = Optional(root, "envid"),
            };
            return delivery.Recipients.Count > 0 && SendmailOptions.IsNotification(delivery) ? delivery : null;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            return null;
        }
    }

    private static string? Optional(JsonElement root, string name) => root.TryGetProperty(name, out JsonElement value) ? Text(value) : null;

    private static string Text(JsonElement value) => value.GetString() is { } text && !text.Any(char.IsControl) ? text : throw new FormatException();
}
