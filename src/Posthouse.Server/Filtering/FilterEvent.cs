namespace Posthouse.Server.Filtering;

/// <summary>What programs can be told of a session (smtpd-filters(7), REPORT EVENTS).</summary>
public enum FilterEvent
{
    /// <summary>A client connected.</summary>
    LinkConnect,
    /// <summary>The banner was given.</summary>
    LinkGreeting,
    /// <summary>HELO or EHLO was accepted.</summary>
    LinkIdentify,
    /// <summary>TLS is on.</summary>
    LinkTls,
    /// <summary>AUTH was tried.</summary>
    LinkAuth,
    /// <summary>The session is over; always its last event.</summary>
    LinkDisconnect,
    /// <summary>A transaction began.</summary>
    TxBegin,
    /// <summary>MAIL was answered.</summary>
    TxMail,
    /// <summary>RCPT was answered.</summary>
    TxRcpt,
    /// <summary>A recipient made an envelope.</summary>
    TxEnvelope,
    /// <summary>DATA was answered.</summary>
    TxData,
    /// <summary>The message is in the queue.</summary>
    TxCommit,
    /// <summary>The transaction was given up.</summary>
    TxRollback,
    /// <summary>The transaction is over, either way.</summary>
    TxReset,
    /// <summary>A line of the client.</summary>
    ProtocolClient,
    /// <summary>A line of the server.</summary>
    ProtocolServer,
    /// <summary>A filter said something.</summary>
    FilterReport,
    /// <summary>The filters decided on a command.</summary>
    FilterResponse,
    /// <summary>The client was silent for too long.</summary>
    Timeout,
}
