namespace Posthouse.Server.Receiving;

/// <summary>What a <see cref="SmtpDialogue"/> wants to be done.</summary>
public enum SessionAction
{
    /// <summary>Send the reply and read on.</summary>
    Reply,

    /// <summary>Send the reply and close.</summary>
    Close,

    /// <summary>Judge the sender, then call <see cref="SmtpDialogue.DecideMail"/>.</summary>
    JudgeSender,

    /// <summary>Judge the recipient, then call <see cref="SmtpDialogue.DecideRecipient"/>.</summary>
    JudgeRecipient,

    /// <summary>Begin a message, send the reply, take the content up to its dot, then call <see cref="SmtpDialogue.EndMessage"/>.</summary>
    TakeContent,

    /// <summary>Take a chunk into the message, beginning it with the first one, then call <see cref="SmtpDialogue.EndChunk"/>.</summary>
    TakeChunk,

    /// <summary>Take a chunk and forget it, then send the reply.</summary>
    DiscardChunk,

    /// <summary>Send the reply, forget what came behind the command, make the handshake, then call <see cref="SmtpDialogue.Encrypted"/>.</summary>
    StartTls,

    /// <summary>Check the credentials, then call <see cref="SmtpDialogue.DecideCredentials"/>.</summary>
    CheckCredentials,

    /// <summary>Ask the filters <see cref="SmtpDialogue.Question"/>, then call <see cref="SmtpDialogue.Decide"/>, which gives the step to be done.</summary>
    Ask,
}
