namespace Posthouse.Tests.Native;

/// <summary>
/// Tests that start processes run when no others do. Until a child has become its program it has copies of all descriptors, so that a lock that another
/// test gives back is held a moment longer.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ProcessCollection
{
    internal const string Name = "processes";
}
