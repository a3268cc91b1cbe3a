using Posthouse.Plugs.Filters;

// Looks at connect, MAIL and RCPT, and lets each line through: what the rig's filters do.
Filter filter = new();
filter.OnConnect((_, _) => Verdict.Proceed);
filter.OnSender((_, _) => Verdict.Proceed);
filter.OnRecipient((_, _) => Verdict.Proceed);
filter.OnLine((_, line, output) => output.Write(line));
return await filter.RunAsync();
