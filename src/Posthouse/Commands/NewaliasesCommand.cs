using Posthouse.Server.Control;
using Posthouse.Server.Model;

namespace Posthouse.Commands;

/// <summary><c>newaliases</c>: builds the database of the aliases file anew and tells a running server.</summary>
public static class NewaliasesCommand
{
    private static readonly string[] s_files = ["/etc/posthouse/aliases", "/etc/mail/aliases", "/etc/aliases"];

    /// <summary>Takes <c>--state DIR</c> and perhaps the file (default: the first of <c>/etc/posthouse/aliases</c>, <c>/etc/mail/aliases</c>, <c>/etc/aliases</c>). Exit status 0 or 1.</summary>
    public static int Run(string[] args, Terminal? terminal = null)
    {
        terminal ??= Terminal.Process;
        ArgumentReader reader = new(args);
        string? state = null;
        while (reader.NextOption() is { } option)
        {
            if (option != "--state" || (state = reader.Value()) is null)
            {
                terminal.Error.WriteLine("usage: newaliases [--state DIR] [FILE]");
                return 1;
            }
        }
        string file = reader.Rest.FirstOrDefault() ?? s_files.FirstOrDefault(File.Exists) ?? s_files[0];
        int status = MakemapCommand.Run(["-t", "aliases", file], terminal);
        if (status != 0)
            return status;

        // Without a server there is nobody to tell, and that is no failure.
        using ControlClient? client = ControlClient.Connect(StateDirectory.Find(state), out _);
        if (client?.Ask(new ControlRequest(ControlVerb.UpdateTable, "aliases")).Last() is { Ok: false } refused)
            terminal.Error.WriteLine($"newaliases: the server did not update its table: {refused.Error}");
        return 0;
    }
}
