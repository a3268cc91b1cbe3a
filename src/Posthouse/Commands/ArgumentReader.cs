namespace Posthouse.Commands;

/// <summary>
/// Reads a command line as getopt(3) does: <c>-f FILE</c>, <c>-fFILE</c>, <c>-nv</c>, <c>--state DIR</c>, <c>--state=DIR</c>;
/// options end at <c>--</c> and at the first word that is none.
/// </summary>
public sealed class ArgumentReader(IReadOnlyList<string> arguments)
{
    private int _next;
    private int _within;
    private string? _attached;

    /// <summary>What stands behind the options.</summary>
    public IReadOnlyList<string> Rest => [.. arguments.Skip(_next)];

    /// <summary>The next option, with its dashes (<c>-f</c>, <c>--state</c>), or null behind the last.</summary>
    public string? NextOption()
    {
        if (_within > 0)
        {
            string cluster = arguments[_next];
            string option = "-" + cluster[_within++];
            if (_within == cluster.Length) Advance();
            return option;
        }

        _attached = null;
        if (_next >= arguments.Count) return null;
        string word = arguments[_next];
        if (word == "--")
        {
            _next++;
            return null;
        }

        if (word.StartsWith("--", StringComparison.Ordinal))
        {
            _next++;
            int equals = word.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0) return word;
            _attached = word[(equals + 1)..];
            return word[..equals];
        }

        if (word.Length < 2 || word[0] != '-') return null;
        _within = 1;
        return NextOption();
    }

    /// <summary>The value of the option just read: what is attached to it, or the next word; null when there is none.</summary>
    public string? Value()
    {
        if (_attached is { } attached) return attached;
        if (_within > 0)
        {
            string value = arguments[_next][_within..];
            Advance();
            return value;
        }

        return _next < arguments.Count ? arguments[_next++] : null;
    }

    private void Advance()
    {
        _next++;
        _within = 0;
    }
}
