using CsCheck;
using Posthouse.Server.Scheduling;

namespace Posthouse.Tests.Scheduling;

public class EnvelopeIndexTests
{
    [Fact]
    public void It_is_a_sorted_map() =>
        Gen.Select(Gen.ULong[1, 3000].Array[0, 4000], Gen.Bool).Sample((ids, ascending) =>
        {
            if (ascending)
                Array.Sort(ids);
            EnvelopeIndex index = new();
            SortedDictionary<ulong, int> model = [];
            for (int i = 0; i < ids.Length; i++)
            {
                // Two of three operations add; the rest remove, so that leaves split and merge.
                if (i % 3 < 2 || !model.ContainsKey(ids[i]))
                {
                    Assert.Equal(model.TryAdd(ids[i], i), index.TryAdd(ids[i], i));
                }
                else
                {
                    index.Remove(ids[i]);
                    model.Remove(ids[i]);
                }
            }

            Assert.Equal(model, Walk(index));
            foreach (ulong id in model.Keys.Where(static id => id % 5 != 0).ToArray())
            {
                index.Remove(id);
                model.Remove(id);
                Assert.False(index.TryFind(id, out _));
            }

            Assert.Equal(model, Walk(index));
            Assert.Equal(model.Count, index.Count);
            Assert.All(model, pair => Assert.True(index.TryFind(pair.Key, out int slot) && slot == pair.Value));
        }, iter: 60);

    private static List<KeyValuePair<ulong, int>> Walk(EnvelopeIndex index)
    {
        List<KeyValuePair<ulong, int>> all = [];
        ulong id = 0;
        while (index.TryNext(id, out id, out int slot))
            all.Add(new(id, slot));
        return all;
    }
}
