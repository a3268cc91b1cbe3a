namespace Posthouse.Plugs.Filters;

/// <summary>What becomes of a header field. A string stands for <see cref="Replace"/>, so a handler may return the new value itself.</summary>
public readonly record struct HeaderEdit
{
    private HeaderEdit(bool isRemoved, string? value) => (IsRemoved, Value) = (isRemoved, value);

    /// <summary>The field stays, byte for byte.</summary>
    public static HeaderEdit Keep => default;

    /// <summary>The field goes.</summary>
    public static HeaderEdit Remove => new(true, null);

    internal bool IsRemoved { get; }

    internal string? Value { get; }

    /// <summary>The field gets another value, written as UTF-8 and folded at spaces. Line ends in it become spaces.</summary>
    public static HeaderEdit Replace(string value) => new(false, value);

    /// <summary>The same as <see cref="Replace"/>.</summary>
    public static implicit operator HeaderEdit(string value) => Replace(value);
}
