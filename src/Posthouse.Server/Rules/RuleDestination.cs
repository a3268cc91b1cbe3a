using Posthouse.Wire;

namespace Posthouse.Server.Rules;

/// <summary>The address being judged, with its form as a table's key made when first needed.</summary>
internal sealed class RuleDestination(Mailbox address)
{
    private string? _key;

    public Mailbox Address => address;

    public string Key => _key ??= $"{address.LocalPart}@{address.Domain}";
}
