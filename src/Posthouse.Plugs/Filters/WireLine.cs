using System.Globalization;
using System.Text;

namespace Posthouse.Plugs.Filters;

/// <summary>A line of the server, cut at its bars: <c>report|VERSION|TIME|SUBSYSTEM|EVENT|SESSION[|…]</c> or <c>filter|VERSION|TIME|SUBSYSTEM|PHASE|SESSION|TOKEN|…</c>.</summary>
internal readonly ref struct WireLine
{
    public bool IsFilter { get; private init; }

    public ReadOnlySpan<byte> Version { get; private init; }

    public ReadOnlySpan<byte> Time { get; private init; }

    public ReadOnlySpan<byte> Subsystem { get; private init; }

    /// <summary>Event or phase.</summary>
    public ReadOnlySpan<byte> Name { get; private init; }

    public ulong Session { get; private init; }

    /// <summary>Empty in a report.</summary>
    public ReadOnlySpan<byte> Token { get; private init; }

    public ReadOnlySpan<byte> Parameters { get; private init; }

    public bool IsBulk => IsFilter && Name.SequenceEqual("data-bulk"u8);

    /// <summary>Bytes that follow a chunk's line; -1 where that cannot be read or is too much.</summary>
    public int PayloadLength =>
        int.TryParse(Parameters, NumberStyles.None, CultureInfo.InvariantCulture, out int length) && length <= 65536 ? length : -1;

    /// <summary>The time in microseconds since 1970; 0 where it is not readable.</summary>
    public static long Microseconds(ReadOnlySpan<byte> time)
    {
        int dot = time.IndexOf((byte)'.');
        ReadOnlySpan<byte> whole = dot < 0 ? time : time[..dot], fraction = dot < 0 ? default : time[(dot + 1)..];
        if (!long.TryParse(whole, NumberStyles.None, CultureInfo.InvariantCulture, out long seconds) || seconds > 1L << 40) return 0;
        long micro = 0;
        for (int i = 0; i < 6; i++) micro = micro * 10 + (i < fraction.Length && char.IsAsciiDigit((char)fraction[i]) ? fraction[i] - '0' : 0);
        return seconds * 1_000_000 + micro;
    }

    public static bool TryParse(ReadOnlySpan<byte> line, out WireLine parsed)
    {
        parsed = default;
        ReadOnlySpan<byte> rest = line;
        ReadOnlySpan<byte> kind = Field(ref rest);
        bool filter = kind.SequenceEqual("filter"u8);
        if (!filter && !kind.SequenceEqual("report"u8)) return false;
        ReadOnlySpan<byte> version = Field(ref rest), time = Field(ref rest), subsystem = Field(ref rest), name = Field(ref rest), session = Field(ref rest);
        if (session.Length != 16 || !ulong.TryParse(session, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong key)) return false;
        ReadOnlySpan<byte> token = filter ? Field(ref rest) : default;
        if (filter && token.IsEmpty) return false;
        parsed = new() { IsFilter = filter, Version = version, Time = time, Subsystem = subsystem, Name = name, Session = key, Token = token, Parameters = rest };
        return true;
    }

    public string Text() => Encoding.UTF8.GetString(Parameters);

    private static ReadOnlySpan<byte> Field(scoped ref ReadOnlySpan<byte> rest)
    {
        int bar = rest.IndexOf((byte)'|');
        ReadOnlySpan<byte> field = bar < 0 ? rest : rest[..bar];
        rest = bar < 0 ? default : rest[(bar + 1)..];
        return field;
    }
}
