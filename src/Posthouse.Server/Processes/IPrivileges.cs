using Posthouse.Plugs;
using Posthouse.Server.Model;

namespace Posthouse.Server.Processes;

/// <summary>
/// Everything that needs root. A request names what the configuration already holds (an action, a user, an entry of an
/// alias or .forward by its source) and carries the mail's addresses as data; it never carries a command, a path or the
/// number of a user. An answer is a value. So this can stand in another process than the sessions.
/// </summary>
public interface IPrivileges : IExpansionFiles
{
    /// <summary>Checks a password of the system.</summary>
    ValueTask<PasswordVerdict> CheckPasswordAsync(string user, string password, CancellationToken cancellation);

    /// <summary>
    /// Stores a message in the maildir, mailbox or file that the envelope's action (or the entry that its source names)
    /// means, as the user whom that concerns. Delivered means that it is on stable storage.
    /// </summary>
    ValueTask<DeliveryResult> DeliverToFileAsync(FileDelivery delivery, CancellationToken cancellation);

    /// <summary>
    /// Starts the program that delivers an envelope (an action's command, or the entry that the envelope's source
    /// names), as the user whom that concerns, in a process group of its own.
    /// </summary>
    ValueTask<DeliveryStart> StartDeliveryAsync(Envelope envelope, CancellationToken cancellation);

    /// <summary>Another configuration is in force: what was learnt by the one before is forgotten.</summary>
    void ForgetConfiguration();
}
