using Posthouse.Server.Native;

namespace Posthouse.Tests.Delivering.Local;

internal static class LocalTools
{
    /// <summary>link(2), which the base library does not have.</summary>
    public static unsafe void HardLink(string from, string to)
    {
        fixed (byte* source = PathBytes.Of(from), target = PathBytes.Of(to)) Assert.Equal(0, Libc.link(source, target));
    }
}
