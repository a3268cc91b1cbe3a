using Posthouse.Commands;
using Posthouse.Server.Native;

namespace Posthouse.Tests.Commands;

public sealed class MapCommandTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("posthouse-map-").FullName;

    public void Dispose() => Directory.Delete(_directory, true);

    [Fact]
    public void Aliases_are_built_counted_and_printed_again()
    {
        string file = Write("root: alice, bob@example.org\npostmaster: root\n");
        TestTerminal built = new();
        Assert.Equal(0, NewaliasesCommand.Run(["--state", _directory, file], built.Terminal));
        Assert.Equal($"{file}: 2 aliases\n", built.Output);
        TestTerminal printed = new();
        Assert.Equal(0, MakemapCommand.Run(["-U", $"{file}.db"], printed.Terminal));
        Assert.Equal(2, printed.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Contains("postmaster\troot\n", printed.Output);
    }

    [Fact]
    public void The_output_and_the_type_can_be_chosen()
    {
        string file = Write("example.org\nexample.net\n");
        string output = Path.Combine(_directory, "domains.db");
        TestTerminal terminal = new();
        Assert.Equal(0, MakemapCommand.Run(["-d", "btree", "-t", "set", "-o", output, file], terminal.Terminal));
        Assert.True(File.Exists(output));
        Assert.Equal("", terminal.Output);
    }

    [Fact]
    public void A_bad_file_is_named_with_its_line_and_changes_nothing()
    {
        string file = Write("a: b\na: c\n");
        TestTerminal terminal = new();
        Assert.Equal(1, MakemapCommand.Run(["-t", "aliases", file], terminal.Terminal));
        Assert.Contains($"{file}:2", terminal.Error);
        Assert.False(File.Exists($"{file}.db"));
        Assert.Equal(1, MakemapCommand.Run([Path.Combine(_directory, "missing")], new TestTerminal().Terminal));
        Assert.Equal(1, MakemapCommand.Run(["-t", "other", file], new TestTerminal().Terminal));
        Assert.Equal(1, MakemapCommand.Run([], new TestTerminal().Terminal));
    }

    [Fact]
    public void Passwords_are_hashed_each_with_a_salt_of_its_own()
    {
        TestTerminal terminal = new("first\nsecond\nfirst\n");
        Assert.Equal(0, EncryptCommand.Run([], terminal.Terminal));
        string[] hashes = terminal.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(3, hashes.Length);
        Assert.True(CryptPassword.Verify("second", hashes[1]));
        Assert.False(CryptPassword.Verify("first", hashes[1]));
        Assert.NotEqual(hashes[0], hashes[2]);
    }

    private string Write(string text)
    {
        string file = Path.Combine(_directory, "table");
        File.WriteAllText(file, text);
        return file;
    }
}
