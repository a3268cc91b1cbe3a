namespace Posthouse.Commands;

/// <summary>Finds the command that the program was called for: by its first argument, or by the name it was called under.</summary>
public static class Command
{
    private const string Usage = """
        usage: posthouse COMMAND …

          serve [-f FILE] [--state DIR] [-n] [-v] [-D name=value] [-P smtp|mta|mda] [--users E,K,P,M] [--ignore-unsupported]
          check [-f FILE] [-D name=value] [--json]
          ctl [--state DIR] [--json] VERB …         show queue, schedule all, pause mda, monitor, …
          queue [--state DIR] [--json] VERB …       list, show, hold, release, remove, export, verify, repair
          sendmail …, mailq, makemap …, newaliases, encrypt

        The links smtpd, smtpctl, sendmail, mailq, newaliases and makemap take their traditional arguments.

        """;

    /// <summary>Runs the command; answers the exit status of the process.</summary>
    public static int Run(string name, string[] args)
    {
        if (args.Length == 0) return Misuse();
        string[] rest = args[1..];
        return args[0] switch
        {
            "queue" => QueueCommand.Run(rest),
            "help" or "-h" or "--help" => Help(),
            "version" or "--version" => Version(),
            _ => Misuse(),
        };
    }

    private static int Help()
    {
        Console.Out.Write(Usage);
        return 0;
    }

    private static int Misuse()
    {
        Console.Error.Write(Usage);
        return 1;
    }

    private static int Version()
    {
        Console.Out.WriteLine($"posthouse {typeof(Command).Assembly.GetName().Version?.ToString(3)}");
        return 0;
    }
}
