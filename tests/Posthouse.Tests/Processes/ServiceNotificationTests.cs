using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Posthouse.Server.Processes;

namespace Posthouse.Tests.Processes;

public class ServiceNotificationTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_supervisor_hears_what_it_must(bool isAbstract)
    {
        string folder = Directory.CreateTempSubdirectory("posthouse-notify-").FullName;
        try
        {
            using Socket supervisor = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 60_000 };
            string name = isAbstract ? "@posthouse-test-" + Guid.NewGuid() : folder + "/notify";
            supervisor.Bind(new UnixDomainSocketEndPoint(isAbstract ? "\0" + name[1..] : name));
            Dictionary<string, string> environment = new() { ["NOTIFY_SOCKET"] = name, ["WATCHDOG_USEC"] = "30000000", ["WATCHDOG_PID"] = "77", ["PATH"] = "/bin" };
            using ServiceNotification notification = ServiceNotification.Create(Taking(environment), 77);

            Assert.Equal(["PATH"], environment.Keys);
            Assert.True(notification.IsSupervised);
            Assert.Equal(TimeSpan.FromSeconds(30), notification.WatchdogTimeout);
            notification.Ready("2 listeners\nREADY=0");
            Assert.Equal("READY=1\nSTATUS=2 listeners READY=0", Receive(supervisor));
            notification.Watchdog();
            Assert.Equal("WATCHDOG=1", Receive(supervisor));
            notification.Reloading();
            string reloading = Receive(supervisor);
            Assert.StartsWith("RELOADING=1\nMONOTONIC_USEC=", reloading, StringComparison.Ordinal);
            // The clock of the protocol is that of /proc/uptime, give or take what passes in suspension.
            long microseconds = long.Parse(reloading.Split('=')[^1], CultureInfo.InvariantCulture);
            double uptime = double.Parse(File.ReadAllText("/proc/uptime").Split(' ')[0], CultureInfo.InvariantCulture);
            Assert.InRange(microseconds, 1, (long)(uptime * 1e6) + 1_000_000);
            notification.Status("busy");
            Assert.Equal("STATUS=busy", Receive(supervisor));
            notification.Stopping();
            Assert.Equal("STOPPING=1\nSTATUS=stopping", Receive(supervisor));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("@")]
    [InlineData("relative/path")]
    [InlineData("vsock:2:1234")]
    public void Without_a_supervisor_nothing_is_sent(string? name)
    {
        Dictionary<string, string> environment = new() { ["WATCHDOG_USEC"] = "30000000" };
        if (name is not null) environment["NOTIFY_SOCKET"] = name;
        using ServiceNotification notification = ServiceNotification.Create(Taking(environment), 77);
        Assert.False(notification.IsSupervised);
        Assert.Null(notification.WatchdogTimeout);
        Assert.Empty(environment);
        notification.Ready("x");
    }

    [Fact]
    public void A_supervisor_that_is_gone_does_not_stop_the_server()
    {
        using ServiceNotification notification = ServiceNotification.Create(Taking(new() { ["NOTIFY_SOCKET"] = "/nonexistent/notify" }), 77);
        Assert.True(notification.IsSupervised);
        notification.Ready("x");
        notification.Watchdog();
    }

    [Theory]
    [InlineData("30000000", "78")]
    [InlineData("0", null)]
    [InlineData("-5", null)]
    [InlineData("99999999999999999999", null)]
    public void A_watchdog_for_somebody_else_or_of_no_time_is_none(string limit, string? process)
    {
        Dictionary<string, string> environment = new() { ["NOTIFY_SOCKET"] = "/nonexistent/notify", ["WATCHDOG_USEC"] = limit };
        if (process is not null) environment["WATCHDOG_PID"] = process;
        using ServiceNotification notification = ServiceNotification.Create(Taking(environment), 77);
        Assert.Null(notification.WatchdogTimeout);
    }

    internal static Func<string, string?> Taking(Dictionary<string, string> environment) => name => environment.Remove(name, out string? value) ? value : null;

    private static string Receive(Socket socket)
    {
        byte[] buffer = new byte[1024];
        return Encoding.UTF8.GetString(buffer, 0, socket.Receive(buffer));
    }
}
