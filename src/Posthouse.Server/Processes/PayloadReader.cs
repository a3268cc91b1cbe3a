using System.Buffers.Binary;
using System.Text;

namespace Posthouse.Server.Processes;

/// <summary>
/// Reads what a <see cref="PayloadWriter"/> wrote, or what somebody hostile made up: it never throws and never reads
/// beyond the end. What is cut off or malformed reads as nothing, and so does everything after it; ask <see cref="IsWhole"/> before believing anything.
/// </summary>
internal ref struct PayloadReader
{
    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private ReadOnlySpan<byte> _rest;
    private bool _broken;

    internal PayloadReader(ReadOnlySpan<byte> payload) => _rest = payload;

    /// <summary>Whether all was well-formed and nothing is left.</summary>
    internal readonly bool IsWhole => !_broken && _rest.IsEmpty;

    /// <summary>Whether all was well-formed so far.</summary>
    internal readonly bool IsSound => !_broken;

    internal byte Byte() => Take(1) is [var value] ? value : (byte)0;

    internal bool Flag()
    {
        byte value = Byte();
        _broken |= value > 1;
        return value == 1 && !_broken;
    }

    internal int Number() => Take(4) is { Length: 4 } bytes ? BinaryPrimitives.ReadInt32LittleEndian(bytes) : 0;

    internal long Long() => Take(8) is { Length: 8 } bytes ? BinaryPrimitives.ReadInt64LittleEndian(bytes) : 0;

    /// <summary>A number from 0 to <paramref name="max"/>; another breaks the payload.</summary>
    internal int Count(int max)
    {
        int value = Number();
        if (value >= 0 && value <= max) return value;
        _broken = true;
        return 0;
    }

    /// <summary>A block of at most <paramref name="max"/> bytes.</summary>
    internal ReadOnlySpan<byte> Block(int max) => Take(Count(max));

    /// <summary>A text of at most <paramref name="max"/> bytes of UTF-8 without control characters.</summary>
    internal string Text(int max)
    {
        ReadOnlySpan<byte> bytes = Block(max);
        if (bytes.ContainsAnyInRange((byte)0, (byte)31) || bytes.Contains((byte)127))
        {
            _broken = true;
            return "";
        }
        return Decode(bytes);
    }

    /// <summary>A text that may have line ends and other control characters: what an operator wrote, not what came by mail.</summary>
    internal string Lines(int max) => Decode(Block(max));

    internal string? Optional(int max) => Flag() ? Text(max) : null;

    private string Decode(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return s_utf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            _broken = true;
            return "";
        }
    }

    private ReadOnlySpan<byte> Take(int length)
    {
        if (_broken || length > _rest.Length)
        {
            _broken = true;
            return default;
        }
        ReadOnlySpan<byte> taken = _rest[..length];
        _rest = _rest[length..];
        return taken;
    }
}
