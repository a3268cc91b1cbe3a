using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// One message on its way to the end of a file in mbox format. The file is locked as other mail programs lock it, what
/// was written is taken back when anything fails, and Delivered means synced.
/// </summary>
internal sealed class MboxFile : IMessageFile
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(50);

    private readonly string _path;
    private readonly SafeFileHandle _file;
    private readonly DotLock? _dotLock;
    private readonly long _before;
    private readonly bool _isNew;
    private readonly FromQuoter _quoter = new();
    private bool _finished;

    private MboxFile(string path, SafeFileHandle file, DotLock? dotLock, long before, bool isNew)
    {
        _path = path;
        _file = file;
        _dotLock = dotLock;
        _before = before;
        _isNew = isNew;
    }

    /// <summary>Opens and locks the file, and writes the From line.</summary>
    internal static IMessageFile? Open(FileTarget.Mbox target, FileContext context, string sender, out DeliveryResult? failure)
    {
        if (target.Path == "/dev/null")
        {
            failure = null;
            return new Discard();
        }
        long start = context.Time.GetTimestamp();
        while (true)
        {
            int error = FileDescriptor.Open(target.Path, OpenFlags.ReadWrite | OpenFlags.Append | OpenFlags.Create | OpenFlags.NoFollow | OpenFlags.NonBlocking, 0x180, out SafeFileHandle? file);
            if (error != 0)
            {
                failure = FileFailure.Of(error, "open", target.Path);
                return null;
            }
            DotLock? dotLock = null;
            MboxFile? mbox = null;
            try
            {
                failure = Check(target, file!);
                if (failure is not null) return null;
                if (!TryLock(file!, context, start) || (target.System && !DotLock.TryTake(target.Path, context, start, s_patience, s_pause, out dotLock)))
                {
                    failure = DeliveryResult.Temporary($"{target.Path} is locked", 2, 0);
                    return null;
                }
                // A mail reader may have replaced the file while we waited for its lock.
                if (!IsStill(target.Path, file!)) continue;
                if (FileDescriptor.Status(file!, out FileStatus status) is not 0 and int failed)
                {
                    failure = FileFailure.Of(failed, "examine", target.Path);
                    return null;
                }
                mbox = new(target.Path, file!, dotLock, status.Size, status.Size == 0);
                failure = mbox.Begin(sender, context.Time.GetUtcNow());
                if (failure is not null) return null;
                MboxFile opened = mbox;
                mbox = null;
                file = null;
                dotLock = null;
                return opened;
            }
            finally
            {
                if (mbox is not null) mbox.Dispose();
                else
                {
                    dotLock?.Dispose();
                    file?.Dispose();
                }
            }
        }
    }

    /// <inheritdoc/>
    public DeliveryResult? Append(ReadOnlySpan<byte> block) => _quoter.Write(block, Write);

    /// <inheritdoc/>
    public DeliveryResult Finish()
    {
        // The next From line must follow an empty line.
        DeliveryResult? failure = _quoter.Finish(Write) ?? Write(_quoter.EndsLine ? "\n"u8 : "\n\n"u8);
        if (failure is not null) return failure;
        int error = FileDescriptor.Sync(_file);
        if (error == 0 && _isNew) error = FileDescriptor.SyncDirectory(Path.GetDirectoryName(_path) ?? "/");
        if (error != 0) return FileFailure.Of(error, "sync", _path);
        _finished = true;
        return DeliveryResult.Delivered();
    }

    /// <summary>Unlocks; a message not finished is taken back.</summary>
    public void Dispose()
    {
        if (!_finished) Libc.ftruncate((int)_file.DangerousGetHandle(), _before);
        _dotLock?.Dispose();
        _file.Dispose();
    }

    private DeliveryResult? Begin(string sender, DateTimeOffset now)
    {
        Span<byte> last = stackalloc byte[1];
        bool torn = _before > 0 && RandomAccess.Read(_file, last, _before - 1) == 1 && last[0] != '\n';
        StringBuilder line = new(torn ? "\n\nFrom " : "From ");
        foreach (char c in sender.Length > 0 ? sender : "MAILER-DAEMON") line.Append(char.IsControl(c) || c == ' ' ? '-' : c);
        line.Append(' ').Append(now.UtcDateTime.ToString("ddd MMM ", CultureInfo.InvariantCulture))
            .Append(now.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2)).Append(now.UtcDateTime.ToString(" HH:mm:ss yyyy", CultureInfo.InvariantCulture)).Append('\n');
        return Write(Encoding.UTF8.GetBytes(line.ToString()));
    }

    private DeliveryResult? Write(ReadOnlySpan<byte> block)
    {
        int error = BlockingDescriptor.WriteAll((int)_file.DangerousGetHandle(), block);
        return error == 0 ? null : FileFailure.Of(error, "write to", _path);
    }

    // A system mailbox lies in a directory that others may write to: a link there must not lead us to another file.
    private static DeliveryResult? Check(FileTarget.Mbox target, SafeFileHandle file)
    {
        if (FileDescriptor.Status(file, out FileStatus status) is not 0 and int error) return FileFailure.Of(error, "examine", target.Path);
        if (!status.IsRegular) return DeliveryResult.Temporary($"{target.Path} is not a regular file", 2, 0);
        if (status.Links > 1) return DeliveryResult.Temporary($"{target.Path} has several links", 2, 0);
        if (target.System && status.Uid != SystemAccounts.EffectiveUser) return DeliveryResult.Temporary($"{target.Path} belongs to another user", 2, 0);
        return null;
    }

    private static bool TryLock(SafeFileHandle file, FileContext context, long start)
    {
        while (FileLock.TryLockRecords(file) != 0)
        {
            if (context.Time.GetElapsedTime(start) > s_patience) return false;
            Thread.Sleep(s_pause);
        }
        return true;
    }

    private static bool IsStill(string path, SafeFileHandle file) =>
        FileDescriptor.Status(path, out FileStatus named, follow: false) == 0 && FileDescriptor.Status(file, out FileStatus opened) == 0
        && named.Inode == opened.Inode && named.Device == opened.Device;

    private sealed class Discard : IMessageFile
    {
        public DeliveryResult? Append(ReadOnlySpan<byte> block) => null;

        public DeliveryResult Finish() => DeliveryResult.Delivered();

        public void Dispose()
        {
        }
    }
}
