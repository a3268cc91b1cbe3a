namespace Posthouse.Server.Queueing.Log;

/// <summary>What a record says. The numbers are the format's.</summary>
internal enum RecordKind : byte
{
    /// <summary>A message whose content is the payload.</summary>
    Message = 1,

    /// <summary>A message whose content is a file of its own; the payload is a <see cref="BodyReference"/>.</summary>
    BigMessage = 2,

    /// <summary>A new envelope; the payload is its JSON.</summary>
    Envelope = 3,

    /// <summary>A later version of an envelope.</summary>
    Update = 4,

    /// <summary>The end of an envelope: a tombstone, without payload.</summary>
    Delete = 5,
}
