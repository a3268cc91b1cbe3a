using System.Globalization;
using System.Text;
using Posthouse.Plugs;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;
using Posthouse.Server.Tables;
using Posthouse.Wire;

namespace Posthouse.Server.Rules;

/// <summary>Reads what an address or a user expands to, from wherever it stands. Every failure is the answer's, and temporary.</summary>
internal sealed class ExpansionLookup(TableSet tables, IExpansionFiles files, char delimiter)
{
    /// <summary>A .forward must be smaller than this, in bytes.</summary>
    public const int MaxForwardSize = 4096;

    /// <summary>Most elements of a .forward.</summary>
    public const int MaxForwardElements = 100;

    private const int MaxIncludeSize = 1 << 20;

    /// <summary>Splits a user name into the user and the sub-address (null when it has none).</summary>
    public (string User, string? Extension) SplitUser(string name)
    {
        int at = name.IndexOf(delimiter, StringComparison.Ordinal);
        return at <= 0 ? (name, null) : (name[..at], name[(at + 1)..]);
    }

    /// <summary>The virtual entry of an address: user+tag@domain, user@domain, user+tag, user, @domain, @, in this order.</summary>
    public ValueTask<ExpansionAnswer> VirtualAsync(TableDefinition table, Mailbox address, CancellationToken cancellation)
    {
        string local = address.LocalPart.ToLowerInvariant(), domain = address.Domain.ToLowerInvariant();
        (string user, string? tag) = SplitUser(local);
        string[] keys = tag is null
            ? [$"{local}@{domain}", local, $"@{domain}", "@"]
            : [$"{local}@{domain}", $"{user}@{domain}", local, user, $"@{domain}", "@"];
        return FirstAsync(table, keys, cancellation);
    }

    /// <summary>The alias of a user: user+tag, user.</summary>
    public ValueTask<ExpansionAnswer> AliasAsync(TableDefinition table, string name, CancellationToken cancellation)
    {
        (string user, string? tag) = SplitUser(name);
        return FirstAsync(table, tag is null ? [name] : [name, user], cancellation);
    }

    /// <summary>The entry of one key.</summary>
    public ValueTask<ExpansionAnswer> FirstAsync(TableDefinition table, string[] keys, CancellationToken cancellation) => FirstAsync(tables, table, keys, cancellation);

    /// <summary>The entry of the first key that has one.</summary>
    public static async ValueTask<ExpansionAnswer> FirstAsync(TableSet tables, TableDefinition table, string[] keys, CancellationToken cancellation)
    {
        ITable source = tables[table];
        foreach (string key in keys)
        {
            TableResult result = await source.LookupAsync(TableService.Alias, key, cancellation);
            if (result.Status == TableStatus.Error)
                return ExpansionAnswer.Failed($"table {table.Name}: {result.Value}");
            if (!result.IsFound)
                continue;
            return ExpansionList.TryParse(result.Value ?? "", out IReadOnlyList<ExpansionElement> elements, out string error)
                ? new(elements, key)
                : ExpansionAnswer.Failed($"table {table.Name}: {key}: expected {error}");
        }

        return default;
    }

    /// <summary>A user of a userbase; null with a null failure when there is none.</summary>
    public ValueTask<(UserAccount? Account, string? Failure)> AccountAsync(TableDefinition userbase, string user, CancellationToken cancellation) =>
        AccountAsync(tables, userbase, user, cancellation);

    /// <summary>As the other of its name, in other tables.</summary>
    public static async ValueTask<(UserAccount? Account, string? Failure)> AccountAsync(TableSet tables, TableDefinition userbase, string user, CancellationToken cancellation)
    {
        TableResult result = await tables[userbase].LookupAsync(TableService.UserInfo, user, cancellation);
        if (result.Status == TableStatus.Error)
            return (null, $"table {userbase.Name}: {result.Value}");
        if (!result.IsFound)
            return (null, null);
        string[] fields = (result.Value ?? "").Split(':', 3);
        return fields.Length == 3 && TryNumber(fields[0], out uint uid) && TryNumber(fields[1], out uint gid) && fields[2].StartsWith('/')
            ? (new UserAccount(user, uid, gid, fields[2]), null)
            : (null, $"table {userbase.Name}: {user}: expected uid:gid:/home");
    }

    /// <summary>The .forward of a user of an action's userbase; an answer without elements when there is none.</summary>
    public async ValueTask<ExpansionAnswer> ForwardAsync(string action, UserAccount account, CancellationToken cancellation)
    {
        ForwardFile file = await files.ReadForwardAsync(action, account.Name, cancellation);
        if (file.Fault is { } fault)
            return ExpansionAnswer.Failed($"~{account.Name}/.forward: {fault.Detail ?? fault.PublicText}");
        if (file.Content is null)
            return default;
        string error;
        if (Encoding.UTF8.GetByteCount(file.Content) >= MaxForwardSize)
            error = "too large";
        else if (!ExpansionList.TryParseFile(file.Content, out IReadOnlyList<ExpansionElement> elements, out error))
            error = $"expected {error}";
        else if (elements.Count > MaxForwardElements)
            error = "too many elements";
        else if (elements.Any(element => element.Kind == ExpansionKind.Include))
            error = ":include: is for aliases only";
        else if (account.Uid == 0 && elements.Any(element => element.Kind is ExpansionKind.Command or ExpansionKind.File))
            error = "root's may not have commands or files";
        else
            return elements.Count == 0 ? default : new(elements, account.Name);
        return ExpansionAnswer.Failed($"~{account.Name}/.forward: {error}");
    }

    /// <summary>The elements of the file that an element of an action's alias includes.</summary>
    public async ValueTask<ExpansionAnswer> IncludeAsync(string action, string key, int index, string path, CancellationToken cancellation)
    {
        IncludedFile included = await files.OpenIncludeAsync(action, key, index, cancellation);
        if (included.File is not { } file)
            return ExpansionAnswer.Failed($"{path}: {included.Fault?.Detail ?? included.Fault?.PublicText}");
        using (file)
        {
            byte[] content = new byte[MaxIncludeSize];
            int length = 0;
            try
            {
                for (int read; length < content.Length && (read = await RandomAccess.ReadAsync(file, content.AsMemory(length), length, cancellation)) > 0; length += read) ;
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or NotSupportedException)
            {
                return ExpansionAnswer.Failed($"{path}: {exception.Message}");
            }
            if (length == content.Length)
                return ExpansionAnswer.Failed($"{path}: larger than {MaxIncludeSize} bytes");
            if (!ExpansionList.TryParseFile(Encoding.UTF8.GetString(content, 0, length), out IReadOnlyList<ExpansionElement> elements, out string error))
                return ExpansionAnswer.Failed($"{path}: expected {error}");
            return elements.Any(element => element.Kind == ExpansionKind.Include)
                ? ExpansionAnswer.Failed($"{path}: an included file cannot include another")
                : new(elements, key);
        }
    }

    private static bool TryNumber(string text, out uint number) => uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}

/// <summary>What a lookup found: the elements and the key they stand under; nothing (the default value); or a failure, for the log.</summary>
internal readonly record struct ExpansionAnswer(IReadOnlyList<ExpansionElement>? Elements, string Key, string? Failure = null)
{
    public static ExpansionAnswer Failed(string failure) => new(null, "", failure);
}
