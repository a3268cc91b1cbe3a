using System.Globalization;
using System.Text.RegularExpressions;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>The files of packaging/systemd, judged by systemd's own tools.</summary>
public sealed class SystemdTests : IDisposable
{
    // systemd-analyze says 3.3: what is left is what a server that delivers into homes as their users cannot do without.
    private const double MostExposure = 3.5;

    private static readonly string s_source = Path.Combine(SourceTree.Root, "packaging", "systemd");

    private readonly string _folder = Directory.CreateTempSubdirectory("posthouse-systemd-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task The_units_are_valid()
    {
        Tool verified = await AnalyzeAsync("verify", "--man=no", "--recursive-errors=no", Copy("posthouse.service"), Copy("posthouse.socket"));
        Assert.True(verified.ExitCode == 0 && !verified.Error.Contains("posthouse.", StringComparison.Ordinal), verified.ToString());

        // That it would have said something.
        File.AppendAllText(Path.Combine(_folder, "posthouse.service"), "\n[Service]\nNoSuchSetting=1\nSystemCallFilter=@no-such-group\n");
        verified = await AnalyzeAsync("verify", "--man=no", "--recursive-errors=no", Path.Combine(_folder, "posthouse.service"));
        Assert.Contains("NoSuchSetting", verified.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_service_is_confined_as_far_as_mail_lets_it()
    {
        Tool text = await AnalyzeAsync("security", "--offline=true", "--no-pager", Copy("posthouse.service"));
        Match overall = Regex.Match(text.Output, @"Overall exposure level for posthouse\.service: ([0-9.]+)");
        Assert.True(overall.Success, text.ToString());
        Assert.InRange(double.Parse(overall.Groups[1].Value, CultureInfo.InvariantCulture), 0.1, MostExposure);
    }

    [Fact]
    public void The_users_are_those_that_the_server_asks_for()
    {
        string[] users = [.. File.ReadLines(Path.Combine(s_source, "posthouse.sysusers.conf")).Where(static line => line.StartsWith("u ", StringComparison.Ordinal)).Select(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1])];
        Assert.Equal(Posthouse.Server.Hosting.ServiceUsers.Default.All, users);
        Assert.Contains("d /var/spool/posthouse/offline 1733 root root -", File.ReadLines(Path.Combine(s_source, "posthouse.tmpfiles.conf")));
    }

    private static Task<Tool> AnalyzeAsync(params string[] arguments) => Tool.RunAsync("systemd-analyze", arguments, environment: new Dictionary<string, string> { ["SYSTEMD_COLORS"] = "0", ["LC_ALL"] = "C.UTF-8" });

    // The unit as it is, but for the place of the executable.
    private string Copy(string name)
    {
        string copy = Path.Combine(_folder, name);
        string unit = File.ReadAllText(Path.Combine(s_source, name));
        File.WriteAllText(copy, unit.Replace("/usr/bin/posthouse ", SourceTree.Executable + " ", StringComparison.Ordinal));
        return copy;
    }
}
