namespace Posthouse.Commands;

/// <summary>The exit statuses of sysexits(3) that callers of sendmail know.</summary>
public static class ExitStatus
{
    /// <summary>Done.</summary>
    public const int Ok = 0;

    /// <summary>The command line is wrong (EX_USAGE).</summary>
    public const int Usage = 64;

    /// <summary>The message names no recipient, or is no message (EX_DATAERR).</summary>
    public const int Data = 65;

    /// <summary>The server refused for good (EX_UNAVAILABLE).</summary>
    public const int Unavailable = 69;

    /// <summary>Not now; trying again may help (EX_TEMPFAIL).</summary>
    public const int Temporary = 75;
}
