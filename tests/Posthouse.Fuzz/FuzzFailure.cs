using System.Globalization;
using System.Security.Cryptography;

namespace Posthouse.Fuzz;

/// <summary>An input that a target failed on, made as short as it could be, and how.</summary>
public sealed record FuzzFailure(FuzzTarget Target, byte[] Input, Exception Exception)
{
    /// <summary>The name of the file to keep it in.</summary>
    public string FileName => NameOf(Target, Input);

    internal static string NameOf(FuzzTarget target, byte[] input) =>
        string.Create(CultureInfo.InvariantCulture, $"crash-{target.Name}-{Convert.ToHexStringLower(SHA256.HashData(input).AsSpan(0, 4))}");
}
