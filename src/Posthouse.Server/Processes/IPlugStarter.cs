using Posthouse.Server.Model;

namespace Posthouse.Server.Processes;

/// <summary>Starts plugs. Asked by whoever talks with them; answered by the same process, or by the one that may become other users.</summary>
public interface IPlugStarter
{
    /// <summary>
    /// Starts one copy of a plug. Throws only when cancelled. What keeps it from starting is told as a text for the log; what goes wrong after its program has begun shows as its end.
    /// </summary>
    /// <param name="name">The name by which the configuration declares it.</param>
    /// <param name="command">What runs, as this configuration says; across a process boundary it is named, and never sent.</param>
    /// <param name="instance">Which copy: from 0 to below its number of instances.</param>
    /// <param name="cancellation">Gives up; what was started meanwhile is ended.</param>
    ValueTask<PlugStart> StartAsync(string name, PlugCommand command, int instance, CancellationToken cancellation);
}
