using BenchmarkDotNet.Running;
using Posthouse.Bench.Queueing;

// `log-store [DIRECTORY]` prints commits/s and CPU per message of the log store on a real disk; anything else goes to BenchmarkDotNet.
if (args is ["log-store", ..])
    await LogStoreRates.RunAsync(args.Length > 1 ? args[1] : Path.GetTempPath());
else
    BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
