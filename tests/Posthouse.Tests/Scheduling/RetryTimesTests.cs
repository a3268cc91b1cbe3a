using CsCheck;
using Posthouse.Plugs;
using Posthouse.Server.Scheduling;

namespace Posthouse.Tests.Scheduling;

public class RetryTimesTests
{
    [Theory]
    [InlineData(EnvelopeKind.Mta, 1, 400)]
    [InlineData(EnvelopeKind.Mta, 2, 1600)]
    [InlineData(EnvelopeKind.Mta, 6, 14400)]
    [InlineData(EnvelopeKind.Mda, 1, 10)]
    [InlineData(EnvelopeKind.Bounce, 3, 90)]
    public void The_gap_grows_linearly(EnvelopeKind kind, int tries, long seconds)
    {
        Assert.Equal(1000 + seconds, RetryTimes.At(1000, RetryTimes.Base(kind), tries));
        Assert.Equal(1000 + seconds, RetryTimes.After(1001, 1000, RetryTimes.Base(kind), tries));
    }

    [Fact]
    public void The_next_try_is_the_first_of_the_series_in_the_future() =>
        Gen.Select(Gen.Long[0, 5_000_000], Gen.Int[0, 200], Gen.OneOf(Gen.Const(3), Gen.Const(10), Gen.Const(400))).Sample((age, tries, step) =>
        {
            long expected = tries;
            while (step * expected * expected <= age)
                expected++;
            Assert.Equal(7000 + step * expected * expected, RetryTimes.After(7000 + age, 7000, step, tries));
        });

    [Fact]
    public void A_message_from_the_future_is_tried_when_it_says() => Assert.Equal(5010, RetryTimes.After(100, 5000, 10, 1));
}
