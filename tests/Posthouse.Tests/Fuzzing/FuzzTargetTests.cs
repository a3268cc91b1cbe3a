using Posthouse.Fuzz;

namespace Posthouse.Tests.Fuzzing;

/// <summary>The fuzz targets for a moment each: their whole corpus and always the same mutations of it. To look for more, run Posthouse.Fuzz itself.</summary>
public class FuzzTargetTests
{
    private const int Mutations = 400;

    public static TheoryData<string> Targets => [.. FuzzTarget.All.Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Targets))]
    public void Parser_and_oracle_agree_on_the_corpus_and_mutations_of_it(string name)
    {
        FuzzTarget target = FuzzTarget.All.Single(each => each.Name == name);
        IReadOnlyList<byte[]> corpus = Corpus.Read(target);
        Assert.True(corpus.Count > 1, "the corpus is not where it should be");
        var loop = new FuzzLoop(target, corpus, seed: 1);
        FuzzFailure? failure = loop.Run(Mutations, TimeSpan.FromSeconds(60));
        Assert.True(failure is null, $"{name} fails on {Convert.ToHexString(failure?.Input ?? [])}: {failure?.Exception}");
        Assert.Equal(corpus.Count + Mutations, loop.Count);
        Assert.NotEqual(0, loop.Taken);
    }

    [Fact]
    public void The_same_seed_makes_the_same_inputs()
    {
        byte[] LastInput(int seed)
        {
            var loop = new FuzzLoop(FuzzTarget.All[0], Corpus.Read(FuzzTarget.All[0]), seed);
            Assert.Null(loop.Run(20, TimeSpan.FromSeconds(60)));
            return loop.Current;
        }

        Assert.Equal(LastInput(7), LastInput(7));
        Assert.NotEqual(LastInput(7), LastInput(8));
    }
}
