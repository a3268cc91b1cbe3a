namespace Posthouse.Server.Tables;

/// <summary>What an element of an alias or .forward is.</summary>
public enum ExpansionKind
{
    /// <summary>A user name, perhaps with a sub-address.</summary>
    User,

    /// <summary>An address with a domain.</summary>
    Address,

    /// <summary>A command that takes the message on its standard input; the text is without the bar.</summary>
    Command,

    /// <summary>An absolute path of a file that the message is appended to.</summary>
    File,

    /// <summary>An absolute path of a file with more elements.</summary>
    Include,

    /// <summary>A refusal: a code from 400 to 599, a space, and a text.</summary>
    Error,
}
