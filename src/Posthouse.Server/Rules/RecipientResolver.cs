using Posthouse.Server.Configuration;
using Posthouse.Server.Processes;
using Posthouse.Server.Tables;
using Posthouse.Wire;

namespace Posthouse.Server.Rules;

/// <summary>Decides, at RCPT, what becomes of a recipient: by the rules, and for local ones by expansion through aliases, virtual users and .forward. Thread-safe.</summary>
public sealed class RecipientResolver
{
    private readonly ServerConfiguration _configuration;
    private readonly ExpansionLookup _lookup;
    private readonly RuleSet _rules;
    private readonly ResolverOptions _options;

    /// <summary>Prepares the rules of a configuration; <paramref name="tables"/> must outlive the resolver.</summary>
    public RecipientResolver(ServerConfiguration configuration, TableSet tables, IExpansionFiles files, ResolverOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        _configuration = configuration;
        _options = options ?? new();
        _lookup = new(tables, files, configuration.Smtp.SubAddressDelimiter);
        _rules = new(configuration.Rules, tables);
    }

    /// <summary>Resolves a recipient; one without a domain is at <see cref="SessionContext.ServerName"/>. Failures are replies; only cancellation throws.</summary>
    public async ValueTask<Resolution> ResolveAsync(SessionContext session, Mailbox recipient, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(recipient);
        if (!recipient.IsQualified)
            recipient = recipient.WithDomain(session.ServerName);
        using CancellationTokenSource deadline = new(_options.Deadline, _options.Time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, deadline.Token);
        try
        {
            Expansion expansion = new(session, recipient, _rules, _lookup, _configuration.Queue.Ttl, _options.CanRelay);
            Resolution resolution = await expansion.RunAsync(either.Token);
            if (resolution.Refusal is { } refusal && expansion.Detail is { } detail)
            {
                if (refusal.IsTemporary)
                    RulesLog.TemporaryFailure(_options.Logger, recipient.ToString(), detail);
                else
                    RulesLog.Refused(_options.Logger, recipient.ToString(), detail);
            }

            return resolution;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            RulesLog.TemporaryFailure(_options.Logger, recipient.ToString(), "a table or .forward took too long");
            return Resolution.Refuse(Replies.TemporaryFailure(recipient));
        }
    }
}
