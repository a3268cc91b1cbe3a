using System.Globalization;
using Microsoft.Win32.SafeHandles;
using Posthouse.Plugs;
using Posthouse.Server.Native;

namespace Posthouse.Server.Queueing;

/// <summary>The directories and files of an <see cref="FsQueue"/>: their names, and the steps on them that must survive a crash at any point.</summary>
internal sealed class SpoolTree(string root)
{
    public const string BodyName = "message";
    public const string PassingSuffix = ".new";
    public const string UpdateSuffix = ".update";
    private const string EnvelopeSuffix = ".json";
    private const string AddSuffix = ".add";
    private const UnixFileMode DirectoryMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const uint FileMode = 0x180;

    private readonly string _incoming = Path.Combine(root, "incoming");

    public string Parent(MessageId message) => Path.Combine(root, (message.Value >> 24).ToString("x2", CultureInfo.InvariantCulture));

    public string MessageDirectory(MessageId message) => Path.Combine(Parent(message), message.ToString());

    public string BodyFile(MessageId message) => Path.Combine(MessageDirectory(message), BodyName);

    public string EnvelopeFile(EnvelopeId envelope) => Path.Combine(MessageDirectory(envelope.Message), NameOf(envelope));

    public string IncomingDirectory(MessageId message) => Path.Combine(_incoming, message.ToString());

    public static string NameOf(EnvelopeId envelope) => envelope + EnvelopeSuffix;

    public static void MakeDirectory(string path) => Directory.CreateDirectory(path, DirectoryMode);

    public static SafeFileHandle Create(string path)
    {
        Check(FileDescriptor.Open(path, OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Exclusive | OpenFlags.NoFollow, FileMode, out SafeFileHandle? file), path);
        return file!;
    }

    public static void Check(int error, string path)
    {
        if (error != 0)
            throw new IOException($"{path}: {Errno.Text(error)}");
    }

    /// <summary>Writes a file and syncs it; its directory is the caller's.</summary>
    public static void WriteSynced(string path, ReadOnlySpan<byte> content)
    {
        // What a failed write of before has left is in the way.
        File.Delete(path);
        using SafeFileHandle file = Create(path);
        RandomAccess.Write(file, content, 0);
        Check(FileDescriptor.Sync(file), path);
    }

    /// <summary>Makes the directory that message directories like this one stand in, durably.</summary>
    public string MakeParent(MessageId message)
    {
        string parent = Parent(message);
        if (!Directory.Exists(parent))
        {
            MakeDirectory(parent);
            Check(FileDescriptor.SyncDirectory(root), root);
        }

        return parent;
    }

    /// <summary>Adds envelopes to a message that is there, all or none.</summary>
    public void AddEnvelopes(MessageId message, List<StoredEnvelope> envelopes)
    {
        string directory = MessageDirectory(message);
        string list = Path.Combine(_incoming, message + AddSuffix);
        bool committed = false;
        try
        {
            foreach (StoredEnvelope envelope in envelopes)
                WriteSynced(EnvelopeFile(envelope.Id) + PassingSuffix, envelope.Json.Span);
            Check(FileDescriptor.SyncDirectory(directory), directory);
            WriteSynced(list + PassingSuffix, System.Text.Encoding.ASCII.GetBytes(string.Concat(envelopes.Select(envelope => envelope.Id + "\n"))));
            File.Move(list + PassingSuffix, list, overwrite: true);
            Check(FileDescriptor.SyncDirectory(_incoming), _incoming);
            committed = true;
            FinishAdding(list, message);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // After the list is durable a failure of the renames would be made good by the next start; but the caller hears of an error, so nothing may be left.
            Withdraw(list, envelopes);
            throw new IOException($"{(committed ? "the envelopes were written, but" : "the envelopes cannot be written:")} {exception.Message}", exception);
        }
    }

    /// <summary>Finishes what a crash interrupted and removes what was never acknowledged.</summary>
    public void Recover()
    {
        MakeDirectory(root);
        MakeDirectory(_incoming);
        Check(FileDescriptor.SyncDirectory(root), root);
        foreach (string list in Directory.GetFiles(_incoming, "*" + AddSuffix))
        {
            if (MessageId.TryParse(Path.GetFileNameWithoutExtension(list), out MessageId message) && Directory.Exists(MessageDirectory(message)))
                FinishAdding(list, message);
        }

        foreach (string directory in Directory.GetDirectories(_incoming))
            Directory.Delete(directory, recursive: true);
        foreach (string file in Directory.GetFiles(_incoming))
            File.Delete(file);
    }

    /// <summary>The messages whose id begins with the byte <paramref name="first"/>, ascending.</summary>
    public List<MessageId> MessagesIn(uint first)
    {
        List<MessageId> messages = [];
        string parent = Parent(new(first << 24));
        if (!Directory.Exists(parent))
            return messages;
        foreach (string directory in Directory.EnumerateDirectories(parent))
        {
            if (MessageId.TryParse(Path.GetFileName(directory.AsSpan()), out MessageId message) && message.Value >> 24 == first)
                messages.Add(message);
        }

        messages.Sort();
        return messages;
    }

    /// <summary>The envelopes of a message, ascending.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such message.</exception>
    public List<EnvelopeId> EnvelopesOf(MessageId message)
    {
        List<EnvelopeId> ids = [];
        foreach (string file in Directory.EnumerateFiles(MessageDirectory(message)))
        {
            ReadOnlySpan<char> name = Path.GetFileName(file.AsSpan());
            if (name.EndsWith(EnvelopeSuffix, StringComparison.Ordinal) && EnvelopeId.TryParse(name[..^EnvelopeSuffix.Length], out EnvelopeId id) && id.Message == message)
                ids.Add(id);
        }

        ids.Sort();
        return ids;
    }

    private void FinishAdding(string list, MessageId message)
    {
        foreach (string line in File.ReadLines(list))
        {
            if (EnvelopeId.TryParse(line, out EnvelopeId id) && File.Exists(EnvelopeFile(id) + PassingSuffix))
                File.Move(EnvelopeFile(id) + PassingSuffix, EnvelopeFile(id), overwrite: true);
        }

        string directory = MessageDirectory(message);
        Check(FileDescriptor.SyncDirectory(directory), directory);
        File.Delete(list);
    }

    private void Withdraw(string list, List<StoredEnvelope> envelopes)
    {
        File.Delete(list);
        File.Delete(list + PassingSuffix);
        foreach (StoredEnvelope envelope in envelopes)
        {
            File.Delete(EnvelopeFile(envelope.Id) + PassingSuffix);
            File.Delete(EnvelopeFile(envelope.Id));
        }
    }
}
