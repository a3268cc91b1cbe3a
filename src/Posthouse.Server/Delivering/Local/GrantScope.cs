namespace Posthouse.Server.Delivering.Local;

/// <summary>What a target depends on besides the action, the user, the sub-address and the mark of spam: what a grant holds for.</summary>
[Flags]
internal enum GrantScope : byte
{
    /// <summary>Nothing else: it holds for all mail of that user.</summary>
    User = 0,

    /// <summary>The sender.</summary>
    Sender = 1,

    /// <summary>The recipient as the client gave it.</summary>
    Recipient = 2,

    /// <summary>The address after expansion.</summary>
    Destination = 4,

    /// <summary>All of these.</summary>
    Addresses = Sender | Recipient | Destination,

    /// <summary>Something else, so it holds for one delivery: the entry of an alias or .forward, which may be another the next time.</summary>
    Once = 8,
}
