using System.Globalization;

namespace Posthouse.Wire;

/// <summary>An enhanced mail system status code (RFC 3463): class 2, 4 or 5, subject and detail 0 to 999.</summary>
public readonly record struct EnhancedCode(byte Class, ushort Subject, ushort Detail)
{
    /// <summary>Whether there is no code (the default value).</summary>
    public bool IsNone => Class == 0;

    /// <summary>Reads <c>5.1.1</c>.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out EnhancedCode code)
    {
        code = default;
        Span<Range> parts = stackalloc Range[4];
        if (text.Split(parts, '.') != 3 || text[parts[1]].Length > 3 || text[parts[2]].Length > 3
            || text[parts[0]] is not ("2" or "4" or "5")
            || !ushort.TryParse(text[parts[1]], NumberStyles.None, CultureInfo.InvariantCulture, out ushort subject)
            || !ushort.TryParse(text[parts[2]], NumberStyles.None, CultureInfo.InvariantCulture, out ushort detail))
            return false;
        code = new((byte)(text[0] - '0'), subject, detail);
        return true;
    }

    /// <summary>The code as <c>5.1.1</c>, or nothing when there is none.</summary>
    public override string ToString() => IsNone ? "" : string.Create(CultureInfo.InvariantCulture, $"{Class}.{Subject}.{Detail}");
}
