using Microsoft.Extensions.Time.Testing;
using Posthouse.Server.Delivering.Local;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Tests.Delivering.Local;

public class ForwardCacheTests
{
    private static readonly ForwardFile s_file = new("ann");

    private readonly FakeTimeProvider _time = new();
    private readonly ForwardCache _cache;

    public ForwardCacheTests() => _cache = new(_time);

    private void Keep() => _cache.Keep("local", "joe", s_file, _time.GetTimestamp());

    private void Ask(int times)
    {
        for (int i = 0; i < times; i++) _cache.Find("local", "somebody");
    }

    [Fact]
    public void With_few_recipients_each_is_asked_for()
    {
        Keep();
        Ask(ForwardCache.Busy - 1);
        Assert.Null(_cache.Find("local", "joe"));
    }

    [Fact]
    public void With_many_an_answer_is_good_for_a_second_and_for_its_user_only()
    {
        Ask(ForwardCache.Busy);
        Keep();
        Assert.Same(s_file, _cache.Find("local", "joe"));
        Assert.Null(_cache.Find("local", "ann"));
        Assert.Null(_cache.Find("other", "joe"));
        _time.Advance(TimeSpan.FromMilliseconds(999));
        Assert.Same(s_file, _cache.Find("local", "joe"));
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Null(_cache.Find("local", "joe"));
    }

    [Fact]
    public void The_second_after_a_busy_one_is_busy_too_and_then_it_is_over()
    {
        Ask(ForwardCache.Busy + 1);
        _time.Advance(TimeSpan.FromMilliseconds(1100));
        Keep();
        Assert.Same(s_file, _cache.Find("local", "joe"));
        _time.Advance(TimeSpan.FromMilliseconds(1100));
        Keep();
        Assert.Null(_cache.Find("local", "joe"));
    }

    [Fact]
    public void A_failure_is_not_kept()
    {
        Ask(ForwardCache.Busy);
        _cache.Keep("local", "joe", new(null, Fault.Temporary("x")), _time.GetTimestamp());
        Assert.Null(_cache.Find("local", "joe"));
        Keep();
        _cache.Clear();
        Assert.Null(_cache.Find("local", "joe"));
    }
}
