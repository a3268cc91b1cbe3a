using CsCheck;
using Posthouse.Server.Queueing.Log;

namespace Posthouse.Tests.Queueing.Log;

public class LogIndexTests
{
    [Fact]
    public void It_is_a_sorted_map_whatever_is_added_and_removed() =>
        Gen.Select(Gen.Int[0, 40], Gen.Int[1, 5], Gen.Int[0, 2]).List[0, 400].Sample(steps =>
        {
            var index = new LogIndex();
            var model = new SortedDictionary<ulong, LogPlace>();
            int serial = 0;
            foreach ((int message, int own, int what) in steps)
            {
                // Spread like drawn ids, so that neighbours fall into the same and into other buckets.
                uint id = (uint)(message + 1) * 97_612_893;
                ulong envelope = RecordHeader.IdOf(id) | (uint)own;
                int slot = index.FindEnvelope(envelope);
                Assert.Equal(model.ContainsKey(envelope), slot != LogIndex.None);
                if (what == 2 && slot != LogIndex.None)
                {
                    int owner = index.EnvelopeAt(slot).Message;
                    index.RemoveEnvelope(slot);
                    if (index.MessageAt(owner).Count == 0) index.RemoveMessage(owner);
                    model.Remove(envelope);
                }
                else if (slot == LogIndex.None)
                {
                    int owner = index.FindMessage(id);
                    if (owner == LogIndex.None) owner = index.AddMessage(id);
                    var place = new LogPlace(1, (uint)++serial, 5);
                    index.EnvelopeAt(index.AddEnvelope(owner, (uint)own)).Set(place, hasOlder: serial % 2 == 0);
                    model.Add(envelope, place);
                }
            }

            Assert.Equal(model.Count, index.EnvelopeCount);
            Assert.Equal(model.Keys.Select(id => id >> 32).Distinct().Count(), index.MessageCount);
            foreach (ulong after in model.Keys.Append(0UL))
            {
                var found = new List<(ulong Id, LogPlace Place)>();
                index.Collect(after, 7, found);
                Assert.Equal(model.Where(pair => pair.Key > after).Take(7).Select(pair => (pair.Key, pair.Value)), found);
            }
        });
}
