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
          filter run COMMAND --mail FILE [option …] tries a filter on a mail
          sendmail …, mailq, makemap …, newaliases, encrypt

        The links smtpd, smtpctl, sendmail, mailq, newaliases and makemap take their traditional arguments.

        """;

    /// <summary>Runs the command; answers the exit status of the process.</summary>
    public static int Run(string name, string[] args)
    {
        switch (name)
        {
            case "smtpd": return ServeCommand.Run(args);
            case "smtpctl": return CtlCommand.Run(args);
            case "sendmail" or "send-mail": return SendmailCommand.Run(args);
            case "mailq": return MailqCommand.Run(args);
            case "newaliases": return NewaliasesCommand.Run(args);
            case "makemap": return MakemapCommand.Run(args);
        }

        if (args.Length == 0) return Misuse();
        string[] rest = args[1..];
        return args[0] switch
        {
            "queue" => QueueCommand.Run(rest),
            "serve" => ServeCommand.Run(rest),
            "check" => CheckCommand.Run(rest),
            "ctl" => CtlCommand.Run(rest),
            "filter" => FilterCommand.Run(rest),
            "sendmail" => SendmailCommand.Run(rest),
            "mailq" => MailqCommand.Run(rest),
            "newaliases" => NewaliasesCommand.Run(rest),
            "makemap" => MakemapCommand.Run(rest),
            "encrypt" => EncryptCommand.Run(rest),
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
