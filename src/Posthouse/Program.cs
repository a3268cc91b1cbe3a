using Posthouse.Commands;
using Posthouse.Server.Hosting;

// A child of the server takes its user's identity and becomes a delivery; nothing else may run before that.
if (ServerRoles.Run(args) is { } exit) return exit;

// The links beside the executable answer to the traditional names; everything else is `posthouse VERB …`.
return Command.Run(InvokedName.Read(), args);
