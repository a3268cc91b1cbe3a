using System.Text;
using Posthouse.Commands;

namespace Posthouse.Tests.Commands;

/// <summary>The streams of a command under test.</summary>
internal sealed class TestTerminal(string input = "")
{
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    public Terminal Terminal => new(new MemoryStream(Encoding.Latin1.GetBytes(input)), _output, _error) { IsInteractive = false };

    public string Output => _output.ToString();

    public string Error => _error.ToString();
}
