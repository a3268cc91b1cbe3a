using Posthouse.Plugs.Filters;

Filter filter = new();

// Each handler answers one step of the SMTP dialogue; what has none is not even asked.
filter.OnRecipient((session, address) =>
    address.StartsWith("nobody@", StringComparison.OrdinalIgnoreCase) ? Verdict.Reject("550 5.1.1 Nobody is nobody") : Verdict.Proceed);

filter.OnHeader("Subject", (session, field) => $"[checked] {field.Value}");

return await filter.RunAsync();
