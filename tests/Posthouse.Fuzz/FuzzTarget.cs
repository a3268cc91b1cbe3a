using System.Text;
using Posthouse.Fuzz.Targets;

namespace Posthouse.Fuzz;

/// <summary>A target by name.</summary>
public sealed class FuzzTarget
{
    private readonly Runner _run;

    private FuzzTarget(string name, IReadOnlyList<string> words, IEnumerable<byte[]> seeds, Runner run)
    {
        Name = name;
        Words = [.. words.Select(Encoding.Latin1.GetBytes)];
        Seeds = [.. seeds];
        _run = run;
    }

    private delegate bool Runner(ReadOnlySpan<byte> input);

    /// <summary>Every target.</summary>
    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        Of<CommandTarget>(), Of<DataTarget>(), Of<HeaderTarget>(), Of<ReplyTarget>(), Of<ProxyTarget>(), Of<ConfigurationTarget>(), Of<TableFileTarget>(),
        Of<EnvelopeTarget>(), Of<LogStoreTarget>(), Of<SigningTarget>(), Of<FilterTarget>(),
    ];

    public string Name { get; }

    public IReadOnlyList<byte[]> Words { get; }

    public IReadOnlyList<byte[]> Seeds { get; }

    /// <inheritdoc cref="IFuzzTarget.Run"/>
    public bool Run(ReadOnlySpan<byte> input) => _run(input);

    public override string ToString() => Name;

    private static FuzzTarget Of<T>()
        where T : IFuzzTarget => new(T.Name, T.Words, T.Seeds, T.Run);
}
