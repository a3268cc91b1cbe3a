namespace Posthouse.Wire;

/// <summary>How far a <see cref="ReplyParser"/> got.</summary>
public enum ReplyParseStatus
{
    /// <summary>The reply goes on: feed it more.</summary>
    Incomplete,
    /// <summary>A whole reply was read.</summary>
    Complete,
    /// <summary>This is no reply, or one beyond all bounds; the connection is of no more use.</summary>
    Malformed,
}
