using CsCheck;
using Posthouse.Server.Delivering.Local;

namespace Posthouse.Tests.Delivering.Local;

public class DeliveryCommandTests
{
    private static readonly FormatValues s_values = new("a b@example.org", "rcpt@example.com", "dest@example.net", "user", "/home/user", '+');

    private static DeliveryCommand? Prepare(string text, FormatValues? values = null, string? wrapper = null)
    {
        DeliveryCommand? command = DeliveryCommand.Prepare(text, wrapper, values ?? s_values, out string? error);
        Assert.Equal(command is null, error is not null);
        return command;
    }

    [Theory]
    [InlineData("/bin/x -f %{sender} --to=%{rcpt}", "/bin/x|-f|a b@example.org|--to=rcpt@example.com")]
    [InlineData("  x   y\t%{user.username} ", "x|y|user")]
    [InlineData("~/bin/x 100%%", "/home/user/bin/x|100%")]
    [InlineData("x a=b c#d e~f {g}", "x|a=b|c#d|e~f|{g}")]
    [InlineData("x -%{user.username}", "x|-user")]
    public void Words_run_as_an_argument_vector(string text, string expected)
    {
        DeliveryCommand command = Prepare(text)!;
        Assert.Equal(expected.Split('|'), command.Arguments);
        Assert.Empty(command.Variables);
    }

    [Theory]
    [InlineData("x | y")]
    [InlineData("x > y")]
    [InlineData("x; y")]
    [InlineData("x & y")]
    [InlineData("x $HOME")]
    [InlineData("x `y`")]
    [InlineData("x 'y'")]
    [InlineData("x \"y\"")]
    [InlineData("x \\y")]
    [InlineData("x *")]
    [InlineData("x ?")]
    [InlineData("x [a]")]
    [InlineData("x (y)")]
    [InlineData("x # y")]
    [InlineData("x ~/y")]
    [InlineData("A=b x")]
    [InlineData("exec x")]
    [InlineData("if x")]
    [InlineData("x\ny")]
    public void What_only_a_shell_understands_is_given_to_one(string text) =>
        Assert.Equal(["/bin/sh", "-c", text], Prepare(text)!.Arguments);

    [Theory]
    [InlineData("x %{sender} | y", "x \"${PH_1}\" | y")]
    [InlineData("x \"%{sender}\" | y", "x \"${PH_1}\" | y")]
    [InlineData("x '%{sender}' | y", "x ''\"${PH_1}\"'' | y")]
    [InlineData("x \"a `b %{sender}`\"", "x \"a `b \"${PH_1}\"`\"")]
    [InlineData("x \"$(b %{sender} '%{rcpt}')\"", "x \"$(b \"${PH_1}\" ''\"${PH_2}\"'')\"")]
    [InlineData("x \\' %{sender}", "x \\' \"${PH_1}\"")]
    [InlineData("x # it's\ny %{sender}", "x # it's\ny \"${PH_1}\"")]
    [InlineData("sh -c 'x %{sender}'", "sh -c 'x \"${PH_1}\"'")]
    [InlineData("sh -c \"x %{sender}\"", "sh -c \"x \\\"\\${PH_1}\\\"\"")]
    [InlineData("grep -c '%{sender}'", "grep -c ''\"${PH_1}\"''")]
    public void A_specifier_in_a_shell_command_is_a_quoted_variable(string text, string script)
    {
        DeliveryCommand command = Prepare(text)!;
        Assert.Equal(script, command.Arguments[2]);
        Assert.Equal(new("PH_1", "a b@example.org"), command.Variables[0]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData("x %{nothing}")]
    [InlineData("%{sender}")]
    [InlineData("/opt/%{sender.user}")]
    [InlineData("sh -c %{user.username}")]
    [InlineData("/bin/bash -ec %{sender}")]
    [InlineData("sh -c %{sender} | x")]
    [InlineData("sudo -u x sh -c %{sender}")]
    public void Some_commands_cannot_be_obeyed(string text) => Assert.Null(Prepare(text));

    [Theory]
    [InlineData("x %{sender}")]
    [InlineData("x %{sender} | y")]
    [InlineData("x '%{sender}'")]
    [InlineData("x %{sender:raw}")]
    public void No_value_becomes_an_option(string text) => Assert.Null(Prepare(text, s_values with { Sender = "-oX@example.org" }));

    [Fact]
    public void A_wrapper_holds_the_command_s_text()
    {
        Assert.Equal(["wrap", "--", "x", "rcpt@example.com"], Prepare("x %{rcpt}", wrapper: "wrap -- %{mda}")!.Arguments);
        Assert.Equal("wrap -- x | y", Prepare("x | y", wrapper: "wrap -- %{MDA}")!.Arguments[2]);
    }

    [Fact]
    public void No_byte_of_a_value_gets_into_a_script() =>
        Gen.Select(Gen.Char[" '\"`$(){}|;&\\#\tx~*%["].Array[0, 12], Gen.Char[" '\"`$()|;&\\#xe-c"].Array[0, 20]).Sample((value, around) =>
        {
            const string Mark = "QQQ";
            string text = "x " + new string(around) + " %{sender:raw} " + new string(around);
            DeliveryCommand? command = DeliveryCommand.Prepare(text, null, s_values with { Sender = Mark + new string(value) }, out _);
            if (command?.Arguments is ["/bin/sh", "-c", var script]) Assert.DoesNotContain(Mark, script);
            else if (command is not null) Assert.Single(command.Arguments, argument => argument == Mark + new string(value));
        });
}
