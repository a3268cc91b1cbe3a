using Posthouse.Fuzz;

// Longer than any input may take, even on a busy machine.
TimeSpan patience = TimeSpan.FromSeconds(30);

if (FuzzOptions.Parse(args) is not { } options)
{
    Console.Error.WriteLine(FuzzOptions.Usage);
    Console.Error.WriteLine($"targets: {string.Join(' ', FuzzTarget.All)}");
    return 2;
}

if (options.File is { } path)
{
    Console.WriteLine(options.Targets[0].Run(File.ReadAllBytes(path)) ? "taken" : "refused");
    return 0;
}

int failures = 0;
foreach (FuzzTarget target in options.Targets)
{
    var loop = new FuzzLoop(target, Corpus.Read(target, options.Corpus), options.Seed);
    using Timer watch = Watch(target, loop);
    FuzzFailure? failure = loop.Run(long.MaxValue, options.Time);
    Console.WriteLine($"{target}: {loop.Count} inputs, {loop.Taken} taken{(failure is null ? "" : $", FAILED: {failure.FileName}")}");
    if (failure is null)
        continue;
    failures++;
    File.WriteAllBytes(failure.FileName, failure.Input);
    Console.WriteLine(failure.Exception);
}

return failures == 0 ? 0 : 1;

// An input that runs for ever is found by looking twice.
Timer Watch(FuzzTarget target, FuzzLoop loop)
{
    byte[] before = [];
    return new Timer(_ =>
    {
        byte[] now = loop.Current;
        if (ReferenceEquals(now, before))
        {
            string name = FuzzFailure.NameOf(target, now);
            File.WriteAllBytes(name, now);
            Console.WriteLine($"{target}: an input takes longer than {patience}: {name}");
            Environment.Exit(1);
        }

        before = now;
    }, null, patience, patience);
}
