namespace Posthouse.Wire;

/// <summary>The paths of MAIL and RCPT (RFC 5321 section 4.1.2): an address in angle brackets, perhaps behind a source route.</summary>
public static class MailPath
{
    /// <summary>
    /// Reads a path at the start of <paramref name="text"/>. <paramref name="mailbox"/> is null for <c>&lt;&gt;</c>; a source route is checked
    /// and dropped (RFC 5321 appendix C); <paramref name="length"/> is what the path takes.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<byte> text, out Mailbox? mailbox, out int length)
    {
        mailbox = null;
        length = 0;
        if (text.IsEmpty || text[0] != '<')
            return false;
        int end = FindEnd(text);
        if (end < 0 || end >= Mailbox.MaxPathLength)
            return false;
        length = end + 1;
        ReadOnlySpan<byte> inner = text[1..end];
        if (inner.IsEmpty)
            return true;
        if (inner[0] == '@')
        {
            int colon = FindRouteEnd(inner);
            if (colon < 0)
                return false;
            inner = inner[(colon + 1)..];
        }
        return Mailbox.TryParse(inner, out mailbox);
    }

    // A closing bracket counts only outside a quoted string.
    private static int FindEnd(ReadOnlySpan<byte> text)
    {
        bool quoted = false;
        for (int i = 1; i < text.Length; i++)
        {
            switch (text[i])
            {
                case (byte)'"':
                    quoted = !quoted;
                    break;
                case (byte)'\\' when quoted:
                    i++;
                    break;
                case (byte)'>' when !quoted:
                    return i;
            }
        }
        return -1;
    }

    // @one,@two: where each hop is a domain; a colon inside an IPv6 literal is no end.
    private static int FindRouteEnd(ReadOnlySpan<byte> inner)
    {
        int start = 0;
        while (start < inner.Length && inner[start] == '@')
        {
            start++;
            ReadOnlySpan<byte> rest = inner[start..];
            int stop = rest.IsEmpty || rest[0] != '[' ? 0 : rest.IndexOf((byte)']');
            if (stop < 0)
                return -1;
            int end = rest[stop..].IndexOfAny((byte)',', (byte)':');
            if (end < 0)
                return -1;
            end += stop;
            ReadOnlySpan<byte> hop = rest[..end];
            if (hop.IsEmpty || !(hop[0] == '[' ? HostName.TryParseLiteral(hop, out _) : HostName.IsValidDomain(hop)))
                return -1;
            if (rest[end] == ':')
                return start + end;
            start += end + 1;
        }
        return -1;
    }
}
