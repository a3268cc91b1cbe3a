namespace Posthouse.SystemTests;

public class UsageTests
{
    [Fact]
    public void The_machine_is_linux() => Assert.True(OperatingSystem.IsLinux(), "posthouse runs on Linux");
}
