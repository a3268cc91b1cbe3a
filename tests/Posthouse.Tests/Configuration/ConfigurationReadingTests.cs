using Posthouse.Server.Configuration;
using Posthouse.Server.Processes;

namespace Posthouse.Tests.Configuration;

public class ConfigurationReadingTests
{
    [Fact]
    public void What_was_read_can_be_read_again_without_its_files()
    {
        string folder = Directory.CreateTempSubdirectory("posthouse-reading-").FullName;
        string path = Path.Combine(folder, "smtpd.conf");
        File.WriteAllText(Path.Combine(folder, "more.conf"), "action \"box\" maildir user \"root\" alias <people>\nmatch from any for any action \"box\"\n");
        File.WriteAllText(Path.Combine(folder, "people"), "joe: ann\n");
        File.WriteAllText(path, $"table people file:{folder}/people\ninclude \"{folder}/more.conf\"\nlisten on lo port $port\nlisten on localhost port smtps\n");
        ConfigurationReading first = ConfigurationReading.Read(path, new Dictionary<string, string> { ["port"] = "2525" }, "ram");
        Assert.NotNull(first.Configuration);
        PayloadWriter writer = new();
        first.Write(writer);
        Directory.Delete(folder, recursive: true);

        PayloadReader reader = new(writer.Payload.Span);
        ConfigurationReading? second = ConfigurationReading.Read(ref reader);
        Assert.True(reader.IsWhole);
        ServerConfiguration configuration = Assert.IsType<ServerConfiguration>(second!.Configuration);
        Assert.Equal("ram", configuration.Queue.Backend);
        Assert.Equal(first.Configuration.ServerName, configuration.ServerName);
        Assert.Equal(first.Configuration.Actions.Keys, configuration.Actions.Keys);
        Assert.Equal(first.Configuration.Rules.Length, configuration.Rules.Length);
        Assert.Equal(first.Configuration.Tables["people"].Kind, configuration.Tables["people"].Kind);
        Assert.Equal(first.Configuration.Listeners.SelectMany(static listener => listener.EndPoints), configuration.Listeners.SelectMany(static listener => listener.EndPoints));
    }

    [Fact]
    public void A_record_that_is_cut_off_is_none()
    {
        PayloadWriter writer = new();
        ConfigurationReading.Read("/nowhere/smtpd.conf", new Dictionary<string, string> { ["a"] = "b" }).Write(writer);
        byte[] record = writer.Payload.ToArray();
        for (int length = 0; length < record.Length; length++)
        {
            PayloadReader reader = new(record.AsSpan(0, length));
            Assert.True(ConfigurationReading.Read(ref reader) is null || !reader.IsWhole);
        }
    }
}
