using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;
using Posthouse.Server.Tables;

namespace Posthouse.Server.Rules;

/// <summary>
/// At delivery time, reads again the command or file that an envelope stands for. An envelope holds only where it was
/// (<see cref="ExpansionSource"/>): so whoever could write to the queue still could not choose a command.
/// </summary>
public sealed class SourceReader
{
    private readonly ServerConfiguration _configuration;
    private readonly ExpansionLookup _lookup;

    /// <summary>Reads from the tables of a configuration, which must outlive it, and <paramref name="files"/>.</summary>
    public SourceReader(ServerConfiguration configuration, TableSet tables, IExpansionFiles files)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        _configuration = configuration;
        _lookup = new(tables, files, configuration.Smtp.SubAddressDelimiter);
    }

    /// <summary>Reads the source of an envelope that has one.</summary>
    /// <exception cref="ArgumentException">The envelope has no source.</exception>
    public async ValueTask<SourcedDelivery> ReadAsync(Envelope envelope, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(envelope);
        if (envelope.Source is null)
            throw new ArgumentException("the envelope has no source", nameof(envelope));
        if (!ExpansionSource.TryParse(envelope.Source, out ExpansionSource source))
            return new(null, Fault: Fault.Permanent("Malformed envelope", $"source {envelope.Source}"));
        if (!_configuration.Actions.TryGetValue(envelope.Action, out DeliveryAction? found) || found is not LocalAction action)
            return new(null, Fault: Fault.Temporary("Unknown action", $"action {envelope.Action}"));

        UserAccount? owner = null;
        ExpansionAnswer answer;
        if (source.IsForward)
        {
            (owner, string? failure) = await _lookup.AccountAsync(action.Userbase, source.Key, cancellation);
            if (failure is not null)
                return Failed(failure);
            if (owner is null)
                return SourcedDelivery.Changed;
            answer = await _lookup.ForwardAsync(action.Name, owner, cancellation);
        }
        else if ((action.Virtual ?? action.Alias) is { } table)
        {
            answer = await _lookup.FirstAsync(table, [source.Key], cancellation);
        }
        else
        {
            return SourcedDelivery.Changed;
        }

        if (answer.Failure is null && source.IncludedIndex >= 0)
        {
            if (answer.Elements is null || source.Index >= answer.Elements.Count || answer.Elements[source.Index].Kind != ExpansionKind.Include)
                return SourcedDelivery.Changed;
            answer = await _lookup.IncludeAsync(action.Name, source.Key, source.Index, answer.Elements[source.Index].Text, cancellation);
        }

        if (answer.Failure is not null)
            return Failed(answer.Failure);
        int index = source.IncludedIndex >= 0 ? source.IncludedIndex : source.Index;
        return answer.Elements is { } elements && index < elements.Count && elements[index].Kind is ExpansionKind.Command or ExpansionKind.File
            ? new(elements[index], owner)
            : SourcedDelivery.Changed;
    }

    private static SourcedDelivery Failed(string detail) => new(null, Fault: Fault.Temporary("Cannot read what the address expands to", detail));
}
