using System.Buffers;

namespace Posthouse.Server.Naming;

/// <summary>What may be a host name: labels of letters, digits, hyphens and underscores, 63 bytes each, 253 in all (RFC 1123 2.1, RFC 2181 11).</summary>
public static class HostName
{
    private static readonly SearchValues<char> s_allowed = SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

    /// <summary>Whether <paramref name="name"/>, without a final dot, is one.</summary>
    public static bool IsValid(ReadOnlySpan<char> name)
    {
        if (name.Length is 0 or > 253)
            return false;
        foreach (Range label in name.Split('.'))
        {
            ReadOnlySpan<char> text = name[label];
            if (text.Length is 0 or > 63 || text.ContainsAnyExcept(s_allowed))
                return false;
        }
        return true;
    }
}
