using Posthouse.Server.Configuration;
using Posthouse.Server.Tables;
using Posthouse.Wire;

namespace Posthouse.Server.Rules;

/// <summary>One address, user, command, … in the tree of an expansion.</summary>
internal sealed class ExpansionNode
{
    public required ExpansionKind Kind { get; init; }

    /// <summary>The element's text; a user name is in lower case, with its sub-address.</summary>
    public required string Text { get; init; }

    public ExpansionNode? Parent { get; init; }

    /// <summary>The address, for one; else that of the nearest address above.</summary>
    public required Mailbox Address { get; init; }

    /// <summary>The rule and its action that apply; null for an address, which finds its own.</summary>
    public MatchRule? Rule { get; init; }

    public LocalAction? Action { get; init; }

    /// <summary>Where it stands, for an element of an alias or .forward.</summary>
    public ExpansionSource Source { get; init; }

    /// <summary>For a user: the name and the sub-address apart.</summary>
    public string User { get; set; } = "";

    public string? Extension { get; set; }

    /// <summary>For a user: whether its children come from its alias, or from its .forward.</summary>
    public bool IsAliased { get; set; }

    public bool IsForwarded { get; set; }

    /// <summary>How many steps it is away from the recipient.</summary>
    public int Depth => Parent is null ? 0 : Parent.Depth + 1;

    /// <summary>This node or the nearest above that is a user; null when there is none.</summary>
    public ExpansionNode? NearestUser
    {
        get
        {
            ExpansionNode? node = this;
            while (node is not null && node.Kind != ExpansionKind.User)
                node = node.Parent;
            return node;
        }
    }
}
