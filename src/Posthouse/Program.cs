using Posthouse.Commands;

// The links beside the executable answer to the traditional names; everything else is `posthouse VERB …`.
string name = Path.GetFileName(Environment.GetCommandLineArgs().FirstOrDefault() ?? "posthouse");
return Command.Run(name, args);
