using Posthouse.Server.Model;

namespace Posthouse.Server.Delivering.Local;

/// <summary>What a local delivery comes down to: as which user, and what to do.</summary>
internal abstract record LocalPlan(UserAccount Account)
{
    /// <summary>Store the message in a maildir or file.</summary>
    /// <param name="Account">The user.</param>
    /// <param name="Target">Where.</param>
    /// <param name="Scope">What the target depends on.</param>
    internal sealed record Store(UserAccount Account, FileTarget Target, GrantScope Scope) : LocalPlan(Account);

    /// <summary>Give the message to a program.</summary>
    /// <param name="Account">The user.</param>
    /// <param name="Command">The program.</param>
    /// <param name="Target">Where the program is to store it, when it is a wrapper around that; else null.</param>
    internal sealed record Run(UserAccount Account, DeliveryCommand Command, FileTarget? Target = null) : LocalPlan(Account);

    /// <summary>Hand the message to an LMTP server.</summary>
    internal sealed record Transmit(UserAccount Account, string Destination, string Recipient) : LocalPlan(Account);
}
