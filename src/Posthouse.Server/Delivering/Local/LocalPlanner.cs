using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Delivering.Local;

/// <summary>Turns what an envelope names (an action, a user, a source) into what is to be done, by the configuration as it is now.</summary>
internal sealed class LocalPlanner(LocalSettings settings, TimeProvider time)
{
    private readonly AccountCache _accounts = new(settings.Accounts, time);

    /// <summary>Forgets the users it has seen: a table of the same name may hold others now.</summary>
    internal void Forget() => _accounts.Clear();

    /// <summary>The plan, or why there is none.</summary>
    internal async ValueTask<(LocalPlan? Plan, DeliveryResult? Failure)> PlanAsync(Envelope envelope, bool junk, CancellationToken cancellation)
    {
        ServerConfiguration current = settings.Configuration();
        if (!current.Actions.TryGetValue(envelope.Action, out DeliveryAction? named) || named is not LocalAction action)
            return Fail(DeliveryResult.Temporary($"unknown action {envelope.Action}", 3, 5));

        string? entry = null;
        if (envelope.Source is not null)
        {
            SourceAnswer answer = await settings.Sources(envelope, cancellation);
            if (answer.Fault is { } lost) return Fail(DeliveryResult.Of(lost));
            entry = answer.Entry;
            if (entry is not { Length: > 1 } || entry[0] is not ('|' or '/')) return Fail(DeliveryResult.Temporary($"{envelope.Source} is gone", 3, 5));
        }

        (UserAccount? account, DeliveryResult? failure) = await FindAccountAsync(envelope, action, cancellation);
        if (account is null) return Fail(failure!);
        if (settings.Users.Forbid(account.Uid) || (account.Uid == 0 && !(action.Method is LocalMethod.Mbox && action.Wrapper is null && envelope.Source is null)))
            return Fail(DeliveryResult.Permanent($"not allowed to deliver to: {account.Name}", 2, 1));

        FormatValues values = FormatValues.Of(envelope, account, current.Smtp.SubAddressDelimiter);
        if (entry is ['/', ..]) return (new LocalPlan.Store(account, new FileTarget.Mbox(entry, System: false), GrantScope.Once), null);
        string? wrapper = null;
        if (action.Wrapper is not null && !current.Wrappers.TryGetValue(action.Wrapper, out wrapper))
            return Fail(DeliveryResult.Temporary($"unknown wrapper {action.Wrapper}", 3, 5));
        string? command = entry is ['|', ..] ? entry[1..].Trim() : (action.Method as LocalMethod.Mda)?.Command;
        FileTarget? target = null;
        if (command is null)
        {
            (LocalPlan? plan, failure) = PlanMethod(action.Method, envelope, account, values, junk || wrapper is not null);
            if (wrapper is null || plan is null) return (plan, failure);
            if (plan is not LocalPlan.Store store || WrappedStore.CommandText(settings.Executable.Command) is not { } text)
                return Fail(DeliveryResult.Temporary($"action {action.Name} cannot be wrapped", 3, 5));
            (target, command) = (store.Target, text);
        }
        if (DeliveryCommand.Prepare(command, wrapper, values, out string? error) is not { } prepared)
            return Fail(DeliveryResult.Permanent($"mda command line could not be expanded: {error}", 3, 5));
        if (target is not null) prepared = prepared with { Variables = [.. prepared.Variables, WrappedStore.VariableOf(target, envelope.Sender)] };
        return (new LocalPlan.Run(account, prepared, target), null);
    }

    private static (LocalPlan?, DeliveryResult?) PlanMethod(LocalMethod method, Envelope envelope, UserAccount account, FormatValues values, bool junk)
    {
        switch (method)
        {
            case LocalMethod.Maildir maildir:
                string? error = null, path = null;
                FormatTemplate? template = FormatTemplate.Parse(maildir.Path ?? "~/Maildir", out error);
                if (template is not null) path = template.ExpandPath(values, out error);
                if (path is null) return Fail(DeliveryResult.Permanent($"maildir path could not be expanded: {error}", 3, 5));
                return (new LocalPlan.Store(account, new FileTarget.Maildir(path, envelope.Extension, maildir.Junk && junk), template!.Scope), null);
            case LocalMethod.Mbox:
                return SystemMailbox.PathOf(account.Name) is { } mailbox
                    ? (new LocalPlan.Store(account, new FileTarget.Mbox(mailbox, System: true), GrantScope.User), null)
                    : Fail(DeliveryResult.Temporary($"{account.Name} has no system mailbox", 3, 5));
            case LocalMethod.Lmtp lmtp:
                return (new LocalPlan.Transmit(account, lmtp.Destination, lmtp.RecipientAddress ? envelope.Destination : account.Name), null);
            default:
                return Fail(DeliveryResult.Temporary($"action {envelope.Action} delivers nothing itself", 3, 5));
        }
    }

    // Commands of aliases are nobody's own: they run as a user that owns nothing. Those of a .forward run as its owner.
    private async ValueTask<(UserAccount? Account, DeliveryResult? Failure)> FindAccountAsync(Envelope envelope, LocalAction action, CancellationToken cancellation)
    {
        string? name = action.User ?? envelope.User;
        if (envelope.Source is { } source)
        {
            if (source.StartsWith("alias:", StringComparison.Ordinal))
            {
                if (!settings.ChangesIdentity) return (Ourselves(), null);
                return settings.Users.Mda is { } mda ? (mda, null) : (null, DeliveryResult.Temporary("there is no user for commands of aliases", 3, 5));
            }
            int begin = source.IndexOf(':') + 1, end = source.LastIndexOf(':');
            if (begin == 0 || end <= begin) return (null, DeliveryResult.Temporary($"malformed source {source}", 3, 5));
            name = source[begin..end];
        }
        if (string.IsNullOrEmpty(name)) return (null, DeliveryResult.Temporary("the envelope names no user", 3, 5));
        AccountAnswer answer = await _accounts.FindAsync(action, name, cancellation);
        if (answer.Fault is { } fault) return (null, DeliveryResult.Of(fault));
        // RFC 3463 3.2: X.1.1, bad destination mailbox.
        return answer.Account is { } account ? (account, null) : (null, DeliveryResult.Permanent($"there is no user {name} any more", 1, 1));
    }

    private static UserAccount Ourselves() =>
        SystemAccounts.Find(SystemAccounts.EffectiveUser, out _) ?? new("nobody", SystemAccounts.EffectiveUser, SystemAccounts.EffectiveUser, "/");

    private static (LocalPlan?, DeliveryResult?) Fail(DeliveryResult failure) => (null, failure);
}
