using System.Text;
using Posthouse.Server.Delivering.Local;
using Posthouse.Server.Model;

namespace Posthouse.Tests.Delivering.Local;

public class ProgramResultTests
{
    [Theory]
    [InlineData(0, 0, false, true, DeliveryOutcome.Delivered, "2.0.0")]
    [InlineData(0, 0, false, false, DeliveryOutcome.Temporary, "4.3.0")]
    [InlineData(71, 0, false, true, DeliveryOutcome.Temporary, "4.3.0")]
    [InlineData(75, 0, false, true, DeliveryOutcome.Temporary, "4.3.0")]
    [InlineData(67, 0, false, true, DeliveryOutcome.Permanent, "5.1.1")]
    [InlineData(77, 0, false, false, DeliveryOutcome.Permanent, "5.7.0")]
    [InlineData(1, 0, false, true, DeliveryOutcome.Permanent, "5.3.0")]
    [InlineData(127, 0, false, true, DeliveryOutcome.Permanent, "5.3.0")]
    [InlineData(0, 9, false, true, DeliveryOutcome.Temporary, "4.3.0")]
    [InlineData(0, 9, true, true, DeliveryOutcome.Temporary, "4.3.0")]
    public void The_end_of_a_program_decides(int code, int signal, bool timedOut, bool all, DeliveryOutcome outcome, string status)
    {
        DeliveryResult result = ProgramResult.Of(new(code, signal, timedOut, []), all);
        Assert.Equal((outcome, status), (result.Outcome, result.Status.ToString()));
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("\n\n", "")]
    [InlineData("one\ntwo\n\n", "two")]
    [InlineData("one\r\ntwo\r\n", "two")]
    [InlineData("a\u0007b\u009bc", "abc")]
    public void The_last_line_is_plain_text(string output, string expected) => Assert.Equal(expected, ProgramResult.LastLine(Encoding.UTF8.GetBytes(output)));

    [Fact]
    public void The_last_line_is_bounded() => Assert.Equal(256, ProgramResult.LastLine(Encoding.UTF8.GetBytes(new string('x', 4000))).Length);
}
