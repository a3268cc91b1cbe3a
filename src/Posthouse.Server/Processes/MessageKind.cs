namespace Posthouse.Server.Processes;

/// <summary>What a message between the parent and another process is about. The numbers are private to one build: both ends are the same executable.</summary>
internal enum MessageKind : byte
{
    /// <summary>The answer to a question of the same number.</summary>
    Answer = 0,

    /// <summary>To the engine: serve by this configuration (a bundle's descriptor, then listening sockets).</summary>
    Configure = 1,

    /// <summary>To the engine: end in good order.</summary>
    Stop = 2,

    /// <summary>To the engine: are you there?</summary>
    Ping = 3,

    /// <summary>To the engine: signing sockets of a new keys process (descriptors).</summary>
    SigningSockets = 4,

    /// <summary>To the engine: certificates and authorities that have been replaced.</summary>
    Certificates = 5,

    /// <summary>To the engine: listening sockets (descriptors) and their addresses, for the configuration that follows.</summary>
    Sockets = 7,

    /// <summary>To the parent: read the configuration again.</summary>
    Reload = 32,

    /// <summary>To the parent: the file of a table.</summary>
    OpenTable = 33,

    /// <summary>To the parent: a user's .forward.</summary>
    ReadForward = 34,

    /// <summary>To the parent: a file that an alias includes.</summary>
    ReadInclude = 35,

    /// <summary>To the parent: whether a password of the system is right.</summary>
    CheckPassword = 36,

    /// <summary>To the parent: where the message of an envelope is to be stored, by which worker.</summary>
    GrantFile = 37,

    /// <summary>To the parent: start the program that delivers an envelope.</summary>
    StartProgram = 38,

    /// <summary>To the parent: start a plug.</summary>
    StartPlug = 39,

    /// <summary>To the keys process: load a key and its certificate (descriptors).</summary>
    LoadKey = 64,

    /// <summary>To the keys process: serve these sockets (descriptors).</summary>
    ServeSockets = 65,

    /// <summary>To the keys process: a key that is not needed any more.</summary>
    ForgetKey = 66,
}
