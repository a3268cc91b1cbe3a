namespace Posthouse.Fuzz;

/// <summary>Parser and oracle disagree.</summary>
public sealed class MismatchException(string message) : Exception(message)
{
    /// <summary>Throws unless both are equal.</summary>
    public static void ThrowUnlessSame<T>(T expected, T found, string what)
    {
        if (!EqualityComparer<T>.Default.Equals(expected, found))
            throw new MismatchException($"{what}: the oracle says {Show(expected)}, the parser {Show(found)}");
    }

    /// <summary>Throws unless <paramref name="holds"/>.</summary>
    public static void ThrowUnless(bool holds, string what)
    {
        if (!holds)
            throw new MismatchException(what);
    }

    private static string Show<T>(T value) => value is null ? "null" : $"'{value}'";
}
