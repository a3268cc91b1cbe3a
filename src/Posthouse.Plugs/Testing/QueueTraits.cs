namespace Posthouse.Plugs.Testing;

/// <summary>What a queue store promises beyond accepting: which checks of <see cref="QueueContract"/> apply to it.</summary>
[Flags]
public enum QueueTraits
{
    /// <summary>It accepts and forgets (the null store).</summary>
    None = 0,

    /// <summary>What is committed can be read and walked until it is deleted.</summary>
    Keeps = 1,

    /// <summary>What is committed is found again when the store is closed and opened anew.</summary>
    Durable = 2 | Keeps,
}
