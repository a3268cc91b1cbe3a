// Signs mail by DKIM (RFC 6376, RFC 8463). See README.md.
using Posthouse.DkimSign;
using Posthouse.Plugs.Filters;

if (SignOptions.Parse(args) is not { } options)
{
    Console.Error.WriteLine(SignOptions.Usage);
    return 2;
}

KeyTable keys;
try
{
    keys = new(options.Table);
}
catch (Exception e) when (e is IOException or InvalidDataException or UnauthorizedAccessException)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}

Filter<Sender> filter = new();
if (options.UsesEnvelope) filter.OnTransactionSender((session, mail) => session.State.Address = mail.Address);
if (options.NeedsAuthentication) filter.OnAuthenticated((session, auth) => session.State.IsAuthenticated = auth.Kind == "pass");
filter.OnMessage((session, message) =>
{
    // Without an address the client came over the server's own socket: a local user.
    if (options.NeedsAuthentication && !session.State.IsAuthenticated && session.Address is not null) return MessageResult.Unchanged;
    try
    {
        using Stream content = message.OpenRead();
        return Signer.Sign(content, keys, options, session.State.Address) is { Length: > 0 } signatures ? MessageResult.Prepend(signatures) : MessageResult.Unchanged;
    }
    catch (Exception e) when (options.PassesUnsigned)
    {
        Console.Error.WriteLine($"{session.Id}: passed unsigned: {e.Message}");
        return MessageResult.Unchanged;
    }
});
return await filter.RunAsync();
