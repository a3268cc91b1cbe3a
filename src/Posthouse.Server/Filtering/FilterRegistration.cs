using System.Text;
using Posthouse.Server.Configuration;

namespace Posthouse.Server.Filtering;

/// <summary>What a filter asked for in its handshake: phases, events, and how it takes messages.</summary>
internal sealed class FilterRegistration
{
    private uint _phases;
    private uint _events;

    internal FilterDataMode DataMode { get; private set; }

    internal bool Has(FilterPhase phase) => (_phases & (1u << (int)phase)) != 0;

    internal bool Wants(FilterEvent what) => (_events & (1u << (int)what)) != 0;

    /// <summary>
    /// Takes what follows <c>register|</c>. False when it cannot be understood. A phase or event that does not exist here, and everything of the
    /// subsystem smtp-out, is taken and never sent; <paramref name="unknown"/> then says so.
    /// </summary>
    internal bool TryAdd(ReadOnlySpan<byte> text, out string? unknown)
    {
        unknown = null;
        string[] fields = Encoding.UTF8.GetString(text).Split('|');
        switch (fields)
        {
            case ["report", "smtp-in", "*"]:
                _events = uint.MaxValue;
                return true;
            case ["report", "smtp-in", var word] when FilterWords.EventOf(word) is { } what:
                _events |= 1u << (int)what;
                return true;
            case ["filter", "smtp-in", var word] when FilterWords.PhaseOf(word) is { } phase:
                _phases |= 1u << (int)phase;
                return true;
            case ["extension", "bulk"]:
                DataMode = FilterDataMode.Bulk;
                return true;
            case ["extension", "bulk-observe"]:
                DataMode = FilterDataMode.Observe;
                return true;
            case ["report" or "filter", "smtp-out", { Length: > 0 }]:
                return true;
            case ["filter", "smtp-in", "help" or "wiz" or "vrfy" or "expn"]:
                return true;
            case ["report" or "filter", "smtp-in", { Length: > 0 } word]:
                unknown = $"{fields[0]} {word}";
                return true;
            case ["extension", { Length: > 0 } word]:
                unknown = $"extension {word}";
                return true;
            default:
                return false;
        }
    }
}
