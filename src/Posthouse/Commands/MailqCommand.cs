namespace Posthouse.Commands;

/// <summary><c>mailq</c>: what is in the queue; the same as <c>ctl show queue</c>.</summary>
public static class MailqCommand
{
    /// <summary>Takes <c>--state</c> and <c>--json</c>; other options of sendmail's mailq (<c>-v</c>, <c>-Ac</c>) are taken and ignored. Exit status 0 or 1.</summary>
    public static int Run(string[] args, Terminal? terminal = null)
    {
        List<string> known = [];
        for (int index = 0; index < args.Length; index++)
        {
            if (args[index] == "--state" && index + 1 < args.Length)
                known.AddRange(["--state", args[++index]]);
            else if (args[index].StartsWith("--", StringComparison.Ordinal))
                known.Add(args[index]);
        }
        return CtlCommand.Run([.. known, "show", "queue"], terminal);
    }
}
