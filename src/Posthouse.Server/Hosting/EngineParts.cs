using Microsoft.Extensions.Logging;
using Posthouse.Server.Filtering;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;
using Posthouse.Server.Queueing;
using Posthouse.Server.Tables;
using Posthouse.Server.Transport;

namespace Posthouse.Server.Hosting;

/// <summary>What outlasts a configuration, as far as what follows from one needs it.</summary>
/// <param name="State">Where the state lives.</param>
/// <param name="Queue">Where mail goes.</param>
/// <param name="Privileges">Does what needs another identity.</param>
/// <param name="Filters">The filter programs that run.</param>
/// <param name="TableFiles">Opens the files of tables.</param>
/// <param name="TableScratch">Where databases are copied to; null: they are opened by their path.</param>
/// <param name="Certificates">The certificates in force.</param>
/// <param name="Handshakes">Where TLS handshakes run.</param>
/// <param name="Time">The clock.</param>
/// <param name="Logger">The log.</param>
/// <param name="Counters">The counters.</param>
internal sealed record EngineParts(
    StateDirectory State, MailQueue Queue, IPrivileges Privileges, FilterHosts Filters, ITableFiles TableFiles, string? TableScratch, CertificateStore Certificates, HandshakeThreads Handshakes,
    TimeProvider Time, ILogger Logger, Counters Counters);
