namespace Posthouse.Server.Configuration;

/// <summary>How a local action delivers.</summary>
public abstract record LocalMethod
{
    private LocalMethod()
    {
    }

    /// <summary>Into the user's system mailbox.</summary>
    public sealed record Mbox : LocalMethod;

    /// <summary>Into a maildir.</summary>
    /// <param name="Path">With format specifiers; a leading <c>~/</c> is the user's directory. Null: <c>~/Maildir</c>.</param>
    /// <param name="Junk">Whether messages marked as spam go to the folder Junk.</param>
    public sealed record Maildir(string? Path = null, bool Junk = false) : LocalMethod;

    /// <summary>To an LMTP server.</summary>
    /// <param name="Destination"><c>host:port</c>, <c>[v6]:port</c> or the absolute path of a socket.</param>
    /// <param name="RecipientAddress">Whether RCPT has the final recipient instead of the user name (<c>rcpt-to</c>).</param>
    public sealed record Lmtp(string Destination, bool RecipientAddress = false) : LocalMethod;

    /// <summary>To a command's standard input; the command has format specifiers.</summary>
    public sealed record Mda(string Command) : LocalMethod;

    /// <summary>Nowhere: accepts only what aliases or .forward turn into something else.</summary>
    public sealed record ExpandOnly : LocalMethod;

    /// <summary>Nowhere: accepts only what expansion turns into a remote address.</summary>
    public sealed record ForwardOnly : LocalMethod;
}
