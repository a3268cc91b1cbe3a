using System.Collections.Frozen;

namespace Posthouse.Server.Configuration;

/// <summary>The words of the language.</summary>
internal static class Keywords
{
    /// <summary>Words that begin a statement: where one stands first in a line, the statement before has ended, whatever it lacks. Only reserved ones, since any other may be an entry of a list.</summary>
    public static FrozenSet<string> Statements { get; } = Set(
        "action admd bounce ca filter include listen match mda mta pki proc queue scheduler smtp srs table");

    /// <summary>
    /// Words that cannot be the optional text of an option, because they more likely are the next option. OpenSMTPD reserves them everywhere; here
    /// they may be names. Words of our own additions are not among them.
    /// </summary>
    public static FrozenSet<string> Reserved { get; } = Set(
        """
        action admd alias any auth auth-optional backup bounce bypass ca cert chain chroot ciphers commit compression connect data data-line dhe
        disconnect domain ehlo encryption expand-only fcrdns filter for forward-only from group helo helo-src host hostname hostnames include inet4
        inet6 junk key limit listen lmtp local mail-from maildir mask-src masquerade match max-deferred max-message-size mbox mda mta mx no-dsn
        no-verify noop on phase pki port proc proc-exec protocols proxy-v2 queue quit rcpt-to rdns received-auth recipient regex reject relay report
        rewrite rset scheduler senders smtp smtp-in smtp-out smtps socket src srs sub-addr-delim table tag tagged tls tls-require ttl user userbase
        verify virtual warn-interval wrapper
        """);

    private static FrozenSet<string> Set(string words) =>
        words.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).ToFrozenSet(StringComparer.Ordinal);
}
