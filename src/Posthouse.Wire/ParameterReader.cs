using System.Text;

namespace Posthouse.Wire;

/// <summary>Walks over the parameters behind a path (RFC 5321 section 4.1.2, esmtp-param): keywords, some with a value.</summary>
internal ref struct ParameterReader(ReadOnlySpan<byte> text)
{
    private ReadOnlySpan<byte> _rest = text;

    internal ReadOnlySpan<byte> Keyword { get; private set; }

    internal ReadOnlySpan<byte> Value { get; private set; }

    internal bool HasValue { get; private set; }

    /// <summary>False at the end, and when the next one is malformed; then <paramref name="malformed"/> is set.</summary>
    internal bool Read(out bool malformed)
    {
        malformed = false;
        if (_rest.IsEmpty)
            return false;
        if (_rest[0] != ' ')
        {
            malformed = true;
            return false;
        }
        _rest = _rest.TrimStart((byte)' ');
        if (_rest.IsEmpty)
            return false;
        int end = _rest.IndexOf((byte)' ');
        ReadOnlySpan<byte> parameter = end < 0 ? _rest : _rest[..end];
        _rest = _rest[parameter.Length..];
        int equals = parameter.IndexOf((byte)'=');
        HasValue = equals >= 0;
        Keyword = HasValue ? parameter[..equals] : parameter;
        Value = HasValue ? parameter[(equals + 1)..] : default;
        malformed = !IsKeyword(Keyword) || (HasValue && Value.IsEmpty);
        return !malformed;
    }

    internal readonly bool Is(ReadOnlySpan<byte> keyword) => Ascii.EqualsIgnoreCase(Keyword, keyword);

    private static bool IsKeyword(ReadOnlySpan<byte> word)
    {
        foreach (byte b in word)
        {
            if (!char.IsAsciiLetterOrDigit((char)b) && b != '-')
                return false;
        }
        return !word.IsEmpty && word[0] != '-';
    }
}
