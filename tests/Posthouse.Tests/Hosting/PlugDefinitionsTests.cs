using Posthouse.Server.Hosting;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Tests.Hosting;

public class PlugDefinitionsTests
{
    private readonly PlugDefinitions _definitions = new();

    [Fact]
    public void What_is_in_force_prepared_or_has_been_is_found_until_an_engine_begins()
    {
        Offer(("a", "one"));
        _definitions.Keep();
        Offer(("a", "two"));
        Assert.Equal((true, true), (Has("a", "one"), Has("a", "two")));
        _definitions.Keep();
        Offer(("b", "three"));
        _definitions.GiveUp();
        Assert.Equal((true, true, true), (Has("a", "one"), Has("a", "two"), Has("b", "three")));
        Assert.False(Has("b", "one"));
        _definitions.ForgetEarlier();
        Assert.Equal((false, true, false), (Has("a", "one"), Has("a", "two"), Has("b", "three")));
    }

    [Fact]
    public void The_more_instances_of_two_definitions_count_while_both_may_be_needed()
    {
        _definitions.Offer([new("a", new("one") { Instances = 4 })]);
        _definitions.Keep();
        _definitions.Offer([new("a", new("one") { Instances = 2 })]);
        _definitions.Keep();
        Assert.NotNull(Find("a", "one", 3));
        Assert.Null(Find("a", "one", 4));
        _definitions.ForgetEarlier();
        Assert.NotNull(Find("a", "one", 1));
        Assert.Null(Find("a", "one", 2));
    }

    [Fact]
    public void Of_earlier_ones_the_last_are_kept_and_each_once()
    {
        for (int i = 0; i <= PlugDefinitions.Earlier + 1; i++)
        {
            Offer(("a", $"{i}"), ("same", "same"));
            _definitions.Keep();
        }
        Assert.False(Has("a", "0"));
        Assert.False(Has("a", "1"));
        Assert.True(Has("a", "2"));
        Assert.True(Has("a", $"{PlugDefinitions.Earlier}"));
        Assert.True(Has("same", "same"));
        Assert.Equal(PlugDefinitions.Earlier + 1, _definitions.Processes);
    }

    private void Offer(params (string Name, string Command)[] plugs) => _definitions.Offer(plugs.Select(static plug => KeyValuePair.Create(plug.Name, new PlugCommand(plug.Command))));

    private bool Has(string name, string command) => Find(name, command, 0) is not null;

    private PlugCommand? Find(string name, string command, int instance) => _definitions.Find(new(name, PlugOrder.FingerprintOf(new(command)), instance));
}
