using System.Globalization;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Model;
using Posthouse.Server.Tables;
using Posthouse.Wire;

namespace Posthouse.Server.Rules;

/// <summary>
/// The expansion of one recipient: a tree walked breadth first. An address asks the rules; a local one becomes the virtual
/// entry's elements or a user; a user becomes its alias's elements, or its .forward's, or a delivery. What was
/// visited already is dropped, so that nobody gets a message twice. A user below itself is not expanded the same way
/// again: behind its own alias it goes on to its .forward, behind that to its mailbox; so <c>joe: joe, archive</c> and a .forward
/// with one's own name or address deliver, and rings of names end. A virtual address below itself is dropped. The first failure refuses the recipient: the sender then knows, and may try again as a whole.
/// </summary>
internal sealed class Expansion
{
    private const int MaxDepth = 10;
    private const int MaxNodes = 10_000;

    private readonly SessionContext _session;
    private readonly Mailbox _recipient;
    private readonly RuleSet _rules;
    private readonly ExpansionLookup _lookup;
    private readonly TimeSpan _ttl;
    private readonly bool _canRelay;
    private readonly Queue<ExpansionNode> _pending = new();
    private readonly HashSet<string> _seen = new(StringComparer.Ordinal);
    private readonly List<EnvelopePrototype> _envelopes = [];

    public Expansion(SessionContext session, Mailbox recipient, RuleSet rules, ExpansionLookup lookup, TimeSpan ttl, bool canRelay)
    {
        _session = session;
        _recipient = recipient;
        _rules = rules;
        _lookup = lookup;
        _ttl = ttl;
        _canRelay = canRelay;
    }

    /// <summary>Why it was refused, for the log; null where the reply says it all.</summary>
    public string? Detail { get; private set; }

    public async ValueTask<Resolution> RunAsync(CancellationToken cancellation)
    {
        _pending.Enqueue(new() { Kind = ExpansionKind.Address, Text = "", Address = _recipient });
        for (int count = 0; _pending.TryDequeue(out ExpansionNode? node); count++)
        {
            if (node.Depth >= MaxDepth || count >= MaxNodes)
            {
                Detail = "expands too deep or to too many";
                return Resolution.Refuse(Replies.ExpansionProblem(_recipient));
            }

            if (await VisitAsync(node, cancellation) is { } refusal)
                return Resolution.Refuse(refusal);
        }

        if (_envelopes.Count > 0)
            return Resolution.Accept(_envelopes);
        Detail = "expands to nothing";
        return Resolution.Refuse(Replies.ExpansionProblem(_recipient));
    }

    private ValueTask<SmtpReply?> VisitAsync(ExpansionNode node, CancellationToken cancellation) => node.Kind switch
    {
        ExpansionKind.Address => VisitAddressAsync(node, cancellation),
        ExpansionKind.User => VisitUserAsync(node, cancellation),
        ExpansionKind.Include => VisitIncludeAsync(node, cancellation),
        ExpansionKind.Error => new(VisitError(node)),
        _ => new(VisitCommandOrFile(node)),
    };

    private async ValueTask<SmtpReply?> VisitAddressAsync(ExpansionNode node, CancellationToken cancellation)
    {
        Mailbox address = node.Address;
        bool isBelowItself = IsBelowItself(node);
        if (!IsFirst($"a {isBelowItself} {address.LocalPart.ToLowerInvariant()}@{address.Domain.ToLowerInvariant()}"))
            return null;
        (MatchRule? rule, string? failure) = await _rules.MatchAsync(_session, address, node.Parent is not null, cancellation);
        if (failure is not null)
            return Temporary(failure);
        switch (rule?.Action)
        {
            case LocalAction { Virtual: not null } or RelayAction when isBelowItself:
                return null;
            case LocalAction { Virtual: { } table } action:
                ExpansionAnswer answer = await _lookup.VirtualAsync(table, address, cancellation);
                if (answer.Failure is not null)
                    return Temporary(answer.Failure);
                if (answer.Elements is null)
                    return Replies.ExpansionProblem(_recipient);
                AddChildren(node, rule, action, answer, isForward: false);
                return null;
            case LocalAction action:
                _pending.Enqueue(new() { Kind = ExpansionKind.User, Text = address.LocalPart.ToLowerInvariant(), Parent = node, Address = address, Rule = rule, Action = action });
                return null;
            case RelayAction when !_canRelay:
                Detail = $"rule {rule.Position.FileAndLine} relays";
                return Replies.NoRelaying(_recipient);
            case RelayAction action:
                _envelopes.Add(new()
                {
                    Kind = EnvelopeKind.Mta,
                    Action = action.Name,
                    Rule = rule.Position.FileAndLine,
                    Destination = address.ToString(),
                    Ttl = action.Ttl ?? _ttl,
                    IsForwarded = node.Parent is not null,
                });
                return null;
            default:
                return Replies.InvalidRecipient(_recipient);
        }
    }

    private async ValueTask<SmtpReply?> VisitUserAsync(ExpansionNode node, CancellationToken cancellation)
    {
        LocalAction action = node.Action!;
        (node.User, node.Extension) = _lookup.SplitUser(node.Text);
        bool wasAliased = false, wasForwarded = false;
        for (ExpansionNode? above = node.Parent; above is not null; above = above.Parent)
        {
            bool isSame = above.Kind == ExpansionKind.User && above.Action!.Name == action.Name && above.User == node.User;
            wasForwarded |= isSame && above.IsForwarded;
            wasAliased |= isSame && (above.IsForwarded || (above.IsAliased && above.Text == node.Text));
        }

        if (!IsFirst($"u {action.Name} {wasAliased} {wasForwarded} {node.Text}"))
            return null;

        if (action.Alias is { } aliases && !wasAliased)
        {
            ExpansionAnswer alias = await _lookup.AliasAsync(aliases, node.Text, cancellation);
            if (alias.Failure is not null)
                return Temporary(alias.Failure);
            if (alias.Elements is not null)
            {
                node.IsAliased = true;
                AddChildren(node, node.Rule!, action, alias, isForward: false);
                return null;
            }
        }

        (UserAccount? account, string? failure) = await _lookup.AccountAsync(action.Userbase, node.User, cancellation);
        if (failure is not null)
            return Temporary(failure);
        if (account is null)
            return Replies.InvalidRecipient(_recipient);

        if (!wasForwarded && (action.User is null || action.User == node.User))
        {
            ExpansionAnswer forward = await _lookup.ForwardAsync(action.Name, account, cancellation);
            if (forward.Failure is not null)
                return Temporary(forward.Failure);
            if (forward.Elements is not null)
            {
                node.IsForwarded = true;
                AddChildren(node, node.Rule!, action, forward, isForward: true);
                return null;
            }
        }

        switch (action.Method)
        {
            case LocalMethod.ExpandOnly:
                return Replies.InvalidRecipient(_recipient);
            case LocalMethod.ForwardOnly:
                return Temporary($"action {action.Name} is forward-only and {node.User} forwards nothing");
            default:
                // Under another flag of visiting it may be here already.
                if (IsFirst($"d {action.Name} {node.Text}"))
                    _envelopes.Add(Local(node) with { User = node.User, Extension = node.Extension });
                return null;
        }
    }

    private async ValueTask<SmtpReply?> VisitIncludeAsync(ExpansionNode node, CancellationToken cancellation)
    {
        ExpansionAnswer answer = await _lookup.IncludeAsync(node.Action!.Name, node.Source.Key, node.Source.Index, node.Text, cancellation);
        if (answer.Failure is not null)
            return Temporary(answer.Failure);
        AddChildren(node, node.Rule!, node.Action!, answer, isForward: false);
        return null;
    }

    private SmtpReply? VisitError(ExpansionNode node)
    {
        if (node.Action!.Method is LocalMethod.ForwardOnly)
            return Temporary($"action {node.Action.Name} is forward-only and {node.Source} is an error");
        int code = int.Parse(node.Text.AsSpan(0, 3), CultureInfo.InvariantCulture);
        string text = node.Text[4..].Trim();
        int space = text.IndexOf(' ', StringComparison.Ordinal);
        if (space > 0 && EnhancedCode.TryParse(text.AsSpan(0, space), out EnhancedCode enhanced) && enhanced.Class == code / 100)
            text = text[(space + 1)..].TrimStart();
        else
            enhanced = new((byte)(code / 100), 1, 1);
        return new(code, enhanced, $"{text}: <{_recipient}>");
    }

    private SmtpReply? VisitCommandOrFile(ExpansionNode node)
    {
        if (node.Action!.Method is LocalMethod.ForwardOnly)
            return Temporary($"action {node.Action.Name} is forward-only and {node.Source} is a command or file");
        if (IsFirst($"s {node.Action.Name} {node.Source}"))
        {
            ExpansionNode? user = node.NearestUser;
            _envelopes.Add(Local(node) with { User = node.Source.IsForward ? user!.User : null, Extension = user?.Extension, Source = node.Source.ToString() });
        }

        return null;
    }

    private EnvelopePrototype Local(ExpansionNode node) => new()
    {
        Kind = EnvelopeKind.Mda,
        Action = node.Action!.Name,
        Rule = node.Rule!.Position.FileAndLine,
        Destination = node.Address.ToString(),
        Ttl = node.Action.Ttl ?? _ttl,
        IsForwarded = node.NearestUser is { IsForwarded: true } || node.Address != _recipient,
    };

    private void AddChildren(ExpansionNode parent, MatchRule rule, LocalAction action, ExpansionAnswer answer, bool isForward)
    {
        for (int i = 0; i < answer.Elements!.Count; i++)
        {
            ExpansionElement element = answer.Elements[i];
            Mailbox address = parent.Address;
            if (element.Kind == ExpansionKind.Address && Mailbox.TryParse(element.Text, out Mailbox? parsed) && parsed is not null)
                address = parsed;
            _pending.Enqueue(new()
            {
                Kind = element.Kind,
                Text = element.Kind == ExpansionKind.User ? element.Text.ToLowerInvariant() : element.Text,
                Parent = parent,
                Address = address,
                Rule = rule,
                Action = action,
                Source = parent.Kind == ExpansionKind.Include ? parent.Source with { IncludedIndex = i } : new(isForward, answer.Key, i),
            });
        }
    }

    private static bool IsBelowItself(ExpansionNode node)
    {
        for (ExpansionNode? above = node.Parent; above is not null; above = above.Parent)
        {
            if (above.Kind == ExpansionKind.Address && above.Address.LocalPart.Equals(node.Address.LocalPart, StringComparison.OrdinalIgnoreCase)
                && above.Address.Domain.Equals(node.Address.Domain, StringComparison.OrdinalIgnoreCase))
                return true;
        }

        return false;
    }

    private bool IsFirst(string key) => _seen.Add(key);

    private SmtpReply Temporary(string detail)
    {
        Detail = detail;
        return Replies.TemporaryFailure(_recipient);
    }
}
