using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Delivering.Local;

/// <summary>Where a message is to be stored: paths and names, already expanded and checked.</summary>
internal abstract record FileTarget
{
    private FileTarget()
    {
    }

    /// <summary>Opens it for one message from <paramref name="sender"/> (empty: MAILER-DAEMON), as the user this process is; or says why not.</summary>
    internal abstract IMessageFile? Open(FileContext context, string sender, out DeliveryResult? failure);

    /// <summary>Whether it is a file that root made and that is gone again, so that it must be made anew before anything can be stored.</summary>
    internal virtual bool IsGone => false;

    /// <summary>A maildir.</summary>
    /// <param name="Path">Its absolute path.</param>
    /// <param name="Extension">The sub-address, whose folder is used if it exists; null: none.</param>
    /// <param name="Junk">Whether the message belongs into the folder Junk.</param>
    internal sealed record Maildir(string Path, string? Extension, bool Junk) : FileTarget
    {
        internal override IMessageFile? Open(FileContext context, string sender, out DeliveryResult? failure) => MaildirFile.Open(this, context, out failure);
    }

    /// <summary>A file in mbox format: a system mailbox, or a file of aliases or .forward.</summary>
    /// <param name="Path">Its absolute path.</param>
    /// <param name="System">Whether it is a user's system mailbox: it must then be that user's own, and other programs lock it by <c>PATH.lock</c> too.</param>
    /// <param name="IsMade">Whether root has seen to it that it is there.</param>
    internal sealed record Mbox(string Path, bool System, bool IsMade = false) : FileTarget
    {
        /// <inheritdoc/>
        internal override bool IsGone => IsMade && FileDescriptor.Status(Path, out _, follow: false) == Errno.NoEntry;

        internal override IMessageFile? Open(FileContext context, string sender, out DeliveryResult? failure) => MboxFile.Open(this, context, sender, out failure);
    }
}
