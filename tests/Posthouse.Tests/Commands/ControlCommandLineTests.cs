using Posthouse.Commands;

namespace Posthouse.Tests.Commands;

public sealed class ControlCommandLineTests
{
    [Theory]
    [InlineData("show queue", "queue", null)]
    [InlineData("sh q", "queue", null)]
    [InlineData("sh q 0011223344556677", "queue", "0011223344556677")]
    [InlineData("show stats", "stats", null)]
    [InlineData("show status", "status", null)]
    [InlineData("pause mda", "pause", "mda")]
    [InlineData("resume s", "resume", "smtp")]
    [InlineData("pause env all", "suspend", "all")]
    [InlineData("resume envelope 12345678", "unsuspend", "12345678")]
    [InlineData("log verbose", "log", "verbose")]
    [InlineData("l b", "log", "brief")]
    [InlineData("update table aliases", "update-table", "aliases")]
    [InlineData("remove 12345678", "remove", "12345678")]
    [InlineData("trace smtp", "trace", "smtp")]
    [InlineData("encrypt", "encrypt", null)]
    [InlineData("encrypt secret", "encrypt", "secret")]
    [InlineData("reload", "reload", null)]
    public void Words_may_be_abbreviated(string line, string verb, string? argument)
    {
        ControlCommandLine? command = ControlCommandLine.Parse(line.Split(' '), out string? error);
        Assert.Null(error);
        Assert.Equal(verb, command!.Verb);
        Assert.Equal(argument, command.Argument);
    }

    [Theory]
    [InlineData("show stat", "ambiguous")]
    [InlineData("re all", "ambiguous")]
    [InlineData("show", "incomplete")]
    [InlineData("pause", "incomplete")]
    [InlineData("frobnicate", "unexpected")]
    [InlineData("show stats now", "unexpected")]
    [InlineData("log loud", "unexpected")]
    [InlineData("", "unexpected")]
    public void What_is_no_command_is_explained(string line, string expected)
    {
        Assert.Null(ControlCommandLine.Parse(line.Split(' '), out string? error));
        Assert.Contains(expected, error);
    }

    [Fact]
    public void The_monitor_shows_what_changed()
    {
        MonitorTable table = new();
        Dictionary<string, long> counters = new() { ["smtp.session"] = 3, ["smtp.connected"] = 10, ["scheduler.delivery.ok"] = 5, ["scheduler.envelope"] = 7 };
        string first = table.Next(counters);
        Assert.StartsWith("--- client ---  -- envelope --   ---- relay/delivery --- ------- misc -------\ncurr conn disc", first);
        Assert.EndsWith("   3    0    0     7    0    0    0       0       0    0      0      0      0\n", first);
        counters = new(counters) { ["smtp.session"] = 4, ["smtp.connected"] = 13, ["scheduler.delivery.ok"] = 9 };
        Assert.Equal("   4    3    2     7    4    4    4       0       0    0      0      0      0\n", table.Next(counters));
    }

    [Theory]
    [InlineData(0, "0s")]
    [InlineData(59, "59s")]
    [InlineData(3600, "1h")]
    [InlineData(93784, "1d2h3m4s")]
    public void Durations_are_short(long seconds, string expected) => Assert.Equal(expected, MonitorTable.Duration(seconds));
}
