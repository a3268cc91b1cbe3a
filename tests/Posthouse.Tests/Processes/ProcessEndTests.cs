using Posthouse.Server.Processes;

namespace Posthouse.Tests.Processes;

public class ProcessEndTests
{
    [Theory]
    [InlineData(0, 0, false)]
    [InlineData(1, 0, true)]
    [InlineData(134, 0, true)]
    [InlineData(0, 11, true)]
    [InlineData(0, 6, true)]
    [InlineData(0, 7, true)]
    [InlineData(0, 9, false)]
    [InlineData(0, 15, false)]
    public void A_crash_is_what_mail_may_have_caused(int exitCode, int signal, bool expected) => Assert.Equal(expected, new ProcessEnd(exitCode, signal).IsCrash);
}
