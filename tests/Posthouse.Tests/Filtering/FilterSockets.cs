using System.Net.Sockets;
using Posthouse.Server.Native;

namespace Posthouse.Tests.Filtering;

/// <summary>Pairs of connected sockets, as filters have them.</summary>
internal static class FilterSockets
{
    public static (Socket Ours, Socket Theirs) Pair()
    {
        Assert.Equal(0, DescriptorPair.Sockets(out int ours, out int theirs));
        return (new(new SafeSocketHandle(ours, ownsHandle: true)), new(new SafeSocketHandle(theirs, ownsHandle: true)));
    }
}
