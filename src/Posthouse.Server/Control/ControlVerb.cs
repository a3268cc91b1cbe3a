namespace Posthouse.Server.Control;

/// <summary>The verbs of the control protocol.</summary>
public static class ControlVerb
{
    /// <summary>Lists envelopes: all, or those of a message or one.</summary>
    public const string Queue = "queue";

    /// <summary>Sends the content of a message, given by its id or that of one of its envelopes.</summary>
    public const string Message = "message";

    /// <summary>Sends one envelope.</summary>
    public const string Envelope = "envelope";

    /// <summary>Sends all counters.</summary>
    public const string Stats = "stats";

    /// <summary>Sends for smtp, mda and mta whether they run or are paused.</summary>
    public const string Status = "status";

    /// <summary>Sends for each process of a filter how it is.</summary>
    public const string Filters = "filters";

    /// <summary>Makes envelopes due now.</summary>
    public const string Schedule = "schedule";

    /// <summary>Removes envelopes.</summary>
    public const string Remove = "remove";

    /// <summary>Stops trying envelopes.</summary>
    public const string Suspend = "suspend";

    /// <summary>Tries suspended envelopes again.</summary>
    public const string Unsuspend = "unsuspend";

    /// <summary>Pauses smtp, mda or mta.</summary>
    public const string Pause = "pause";

    /// <summary>Resumes smtp, mda or mta.</summary>
    public const string Resume = "resume";

    /// <summary>Makes the log brief or verbose.</summary>
    public const string Log = "log";

    /// <summary>Traces a subsystem in the log.</summary>
    public const string Trace = "trace";

    /// <summary>Traces it no longer.</summary>
    public const string Untrace = "untrace";

    /// <summary>Reads a table again.</summary>
    public const string UpdateTable = "update-table";

    /// <summary>Gives envelopes of the queue to the scheduler that it does not know.</summary>
    public const string Discover = "discover";

    /// <summary>Does what SIGHUP does: serves by the configuration as it is written now.</summary>
    public const string Reload = "reload";
}
