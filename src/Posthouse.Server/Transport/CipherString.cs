using System.Net.Security;

namespace Posthouse.Server.Transport;

// OpenSSL's cipher string is a program over a list (ciphers(1)): each word appends the suites it selects, or, with a
// sign before it, deletes them (-), deletes them for ever (!), or moves them to the end (+). A word may be a suite's
// name, or properties joined by + that a suite must all have. The suites of TLS 1.3 are not its subject; they stay.

/// <summary>Reads OpenSSL's cipher strings, and libtls's keywords for some of them.</summary>
public static class CipherString
{
    /// <summary>OpenSMTPD's default.</summary>
    public const string Default = "HIGH:!aNULL:!MD5";

    private static readonly string[] s_leaveToOpenSsl = [Default, "", "default", "secure", "compat", "legacy", "all", "insecure", "DEFAULT", "HIGH:!aNULL"];

    /// <summary>
    /// The suites that <paramref name="text"/> selects, in order of preference. Null means the library's own choice,
    /// which is what the defaults get: it is as strict, and only with it sessions can be resumed.
    /// <paramref name="warnings"/> names each word that nothing here corresponds to.
    /// </summary>
    public static IReadOnlyList<TlsCipherSuite>? Parse(string text, out IReadOnlyList<string> warnings)
    {
        List<string> unknown = [];
        warnings = unknown;
        if (s_leaveToOpenSsl.Contains(text.Trim()))
            return null;

        List<CipherSuite> selected = [];
        List<CipherSuite> tls13 = [];
        HashSet<CipherSuite> killed = [];
        foreach (string word in text.Split([':', ',', ' ', ';'], StringSplitOptions.RemoveEmptyEntries))
        {
            if (word.StartsWith('@'))
            {
                if (word == "@STRENGTH")
                    selected = [.. selected.OrderByDescending(static suite => suite.Bits)];
                else
                    unknown.Add($"cipher \"{word}\" has no effect");
                continue;
            }
            char sign = word[0] is '!' or '-' or '+' ? word[0] : ' ';
            if (Find(sign == ' ' ? word : word[1..]) is not { } found)
            {
                unknown.Add($"unknown cipher \"{word}\"");
                continue;
            }
            if (sign == ' ')
            {
                tls13.AddRange(found.Where(suite => suite.IsTls13 && !tls13.Contains(suite)));
                selected.AddRange(found.Where(suite => !suite.IsTls13 && !selected.Contains(suite) && !killed.Contains(suite)));
                continue;
            }
            List<CipherSuite> moved = [.. selected.Where(found.Contains)];
            selected.RemoveAll(moved.Contains);
            if (sign == '+')
                selected.AddRange(moved);
            else if (sign == '!')
                killed.UnionWith(found);
        }
        if (tls13.Count == 0)
            tls13.AddRange(CipherSuite.All.Where(static suite => suite.IsTls13));
        return [.. tls13.Concat(selected).Select(static suite => suite.Id)];
    }

    private static List<CipherSuite>? Find(string word)
    {
        List<CipherSuite> named = [.. CipherSuite.All.Where(suite => suite.Name.Equals(word, StringComparison.Ordinal) || suite.Id.ToString() == word)];
        if (named.Count > 0)
            return named;
        string[] keywords = word.Split('+');
        if (keywords.Any(static keyword => CipherSuite.All[0].Has(keyword) is null))
            return null;
        return [.. CipherSuite.All.Where(suite => !suite.IsTls13 && keywords.All(keyword => suite.Has(keyword) == true))];
    }
}
