namespace Posthouse.Server.Processes;

/// <summary>The files that addresses are expanded by, which only their owners or root may read. A request names what the configuration and the tables hold, never a path.</summary>
public interface IExpansionFiles
{
    /// <summary>Reads the .forward of a user of an action's userbase, as that user and with the checks that make it safe to obey.</summary>
    ValueTask<ForwardFile> ReadForwardAsync(string action, string user, CancellationToken cancellation);

    /// <summary>Opens the file that element <paramref name="index"/> (from 0) of entry <paramref name="key"/> in an action's alias or virtual table includes.</summary>
    ValueTask<IncludedFile> OpenIncludeAsync(string action, string key, int index, CancellationToken cancellation);
}
