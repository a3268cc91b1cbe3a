namespace Posthouse.Server.Processes;

/// <summary>What came of checking a password.</summary>
public enum PasswordVerdict
{
    /// <summary>It could not be checked now: a temporary failure.</summary>
    Unavailable,

    /// <summary>It is the user's.</summary>
    Accepted,

    /// <summary>There is no such user, or the password is another.</summary>
    Refused,
}
