using System.Text;
using BenchmarkDotNet.Attributes;
using Posthouse.Wire;

namespace Posthouse.Bench.Wire;

/// <summary>The content of a message in one block. Since the scanner works in place, each run copies the block first; <see cref="Copy"/> is what that costs alone.</summary>
[MemoryDiagnoser]
public class DataScannerBenchmark
{
    private byte[] _content = [];
    private byte[] _block = [];

    [Params(5 << 10, 64 << 10)]
    public int Size { get; set; }

    /// <summary>Every how manieth line begins with a dot; 0: none.</summary>
    [Params(0, 10)]
    public int Dots { get; set; }

    [GlobalSetup]
    public void Fill()
    {
        var text = new StringBuilder();
        for (int line = 1; text.Length < Size; line++)
            text.Append(Dots != 0 && line % Dots == 0 ? ".." : "").Append('x', 40 + (line * 7 % 36)).Append("\r\n");
        _content = Encoding.ASCII.GetBytes(text.ToString());
        _block = new byte[_content.Length];
    }

    [Benchmark(Baseline = true)]
    public void Copy() => _content.CopyTo(_block, 0);

    [Benchmark]
    public int Scan()
    {
        _content.CopyTo(_block, 0);
        DataScanner scanner = default;
        return scanner.Scan(_block, out _);
    }
}
