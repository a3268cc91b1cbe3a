namespace Posthouse.Server.Model;

/// <summary>
/// Where all state of one server lives. Two servers with two state directories never meet.
/// </summary>
public sealed record StateDirectory(string Path)
{
    /// <summary>The environment variable that names it where no <c>--state</c> does.</summary>
    public const string Variable = "POSTHOUSE_STATE";

    /// <summary>The queue's directory: <c>spool</c> in it, unless this process sees it elsewhere.</summary>
    public string Spool { get; init; } = System.IO.Path.Combine(Path, "spool");

    /// <summary>The socket by which mail is submitted on this machine.</summary>
    public string SmtpSocket => System.IO.Path.Combine(Path, "smtp.sock");

    /// <summary>The socket by which the server is controlled.</summary>
    public string ControlSocket => System.IO.Path.Combine(Path, "control.sock");

    /// <summary>Locked while a server runs.</summary>
    public string Lock => System.IO.Path.Combine(Path, "lock");

    /// <summary>Where mail submitted while no server ran waits for one.</summary>
    public string Offline => System.IO.Path.Combine(Path, "offline");

    /// <summary>
    /// The directory given, or that of <see cref="Variable"/>, or the default: <c>/var/spool/posthouse</c> for root,
    /// <c>$XDG_STATE_HOME/posthouse</c> (<c>~/.local/state/posthouse</c>) otherwise.
    /// </summary>
    public static StateDirectory Find(string? given)
    {
        string? path = given ?? Environment.GetEnvironmentVariable(Variable);
        if (string.IsNullOrEmpty(path))
        {
            if (Environment.IsPrivilegedProcess)
            {
                path = "/var/spool/posthouse";
            }
            else
            {
                string? home = Environment.GetEnvironmentVariable("XDG_STATE_HOME");
                if (string.IsNullOrEmpty(home))
                    home = System.IO.Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local", "state");
                path = System.IO.Path.Combine(home, "posthouse");
            }
        }

        return new(System.IO.Path.GetFullPath(path));
    }
}
