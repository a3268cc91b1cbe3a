using Posthouse.Server.Tables;

namespace Posthouse.Server.Configuration;

/// <summary>An action that delivers on this machine, after expansion.</summary>
public sealed record LocalAction : DeliveryAction
{
    /// <summary>How it delivers.</summary>
    public required LocalMethod Method { get; init; }

    /// <summary>Aliases by user name (service alias); null: none. Never together with <see cref="Virtual"/>.</summary>
    public TableDefinition? Alias { get; init; }

    /// <summary>Virtual users by address (service alias); null: none.</summary>
    public TableDefinition? Virtual { get; init; }

    /// <summary>The users (service userinfo).</summary>
    public TableDefinition Userbase { get; init; } = TableDefinition.SystemUsers;

    /// <summary>The one user that everything is delivered as; null: the recipient.</summary>
    public string? User { get; init; }

    /// <summary>The name of the wrapper around the delivery command; null: none.</summary>
    public string? Wrapper { get; init; }
}
