using BenchmarkDotNet.Running;
using Posthouse.Bench.Queueing;
using Posthouse.Bench.Transport;

// `log-store [DIRECTORY]` prints commits/s and CPU per message of the log store on a real disk; `handshakes` prints TLS handshakes/s with and
// without a keys process, and starts this executable again for that and for the clients; anything else goes to BenchmarkDotNet.
if (args is ["log-store", ..])
    await LogStoreRates.RunAsync(args.Length > 1 ? args[1] : Path.GetTempPath());
else if (args is ["handshakes"])
    await HandshakeRates.RunAsync();
else if (args is [HandshakeRates.ClientArgument, var port, var protocol])
    await HandshakeRates.RunClientsAsync(int.Parse(port), protocol);
else if (args is [HandshakeRates.KeysArgument])
    HandshakeRates.ServeKeys();
else
    BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
