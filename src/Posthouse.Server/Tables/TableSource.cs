namespace Posthouse.Server.Tables;

/// <summary>Where a table's content comes from.</summary>
public enum TableSource
{
    /// <summary>The entries stand in the configuration.</summary>
    Inline,

    /// <summary>A text file (<c>/path</c>, <c>file:/path</c>, <c>static:/path</c>), read by <see cref="TableFile"/>.</summary>
    File,

    /// <summary>A database that makemap built (<c>db:/path</c>).</summary>
    Database,

    /// <summary>A file in the form of passwd(5) (<c>passwd:/path</c>).</summary>
    Passwd,

    /// <summary>The accounts of the system (<c>getpwnam</c>).</summary>
    SystemUsers,

    /// <summary>A program <c>table-TYPE</c> (<c>TYPE</c> or <c>TYPE:/path</c>).</summary>
    External,

    /// <summary>A program named by its command (<c>proc-exec</c>).</summary>
    Command,

    /// <summary>Built in, <c>&lt;localhost&gt;</c>: <c>local</c> and every address of the machine's interfaces.</summary>
    LocalHost,

    /// <summary>Built in, <c>&lt;anyhost&gt;</c>: <c>local</c>, <c>0.0.0.0/0</c> and <c>::/0</c>.</summary>
    AnyHost,

    /// <summary>Built in, <c>&lt;localnames&gt;</c>: localhost, the server's name, its first label, and every interface address as text.</summary>
    LocalNames,

    /// <summary>Built in, <c>&lt;anydestination&gt;</c>: <c>*</c>.</summary>
    AnyDestination,
}
