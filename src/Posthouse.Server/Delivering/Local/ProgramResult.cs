using System.Text;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>What the end of a delivery program means for the delivery.</summary>
internal static class ProgramResult
{
    private const int TextBound = 256;

    /// <summary>The result.</summary>
    /// <param name="exit">How the program ended.</param>
    /// <param name="tookAll">Whether it took the whole message; with exit code 0 and less it may have lost mail, so the delivery is tried again.</param>
    internal static DeliveryResult Of(ProgramExit exit, bool tookAll)
    {
        string text = LastLine(exit.Output);
        if (exit.TimedOut) return DeliveryResult.Temporary("the delivery program took too long", 3, 0);
        if (exit.Signal != 0) return DeliveryResult.Temporary(text.Length > 0 ? text : $"the delivery program was killed by signal {exit.Signal}", 3, 0);
        // The codes of sysexits.h: EX_OSERR and EX_TEMPFAIL may pass; what the others mean for the address follows RFC 3463 3.
        return exit.Code switch
        {
            0 when tookAll => DeliveryResult.Delivered(),
            0 => DeliveryResult.Temporary("the delivery program did not read the whole message", 3, 0),
            71 or 75 => DeliveryResult.Temporary(Say("temporary failure"), 3, 0),
            67 => DeliveryResult.Permanent(Say("user unknown"), 1, 1),
            68 => DeliveryResult.Permanent(Say("host unknown"), 1, 2),
            73 => DeliveryResult.Permanent(Say("cannot create output"), 2, 0),
            77 => DeliveryResult.Permanent(Say("permission denied"), 7, 0),
            _ => DeliveryResult.Permanent(Say($"the delivery program exited with {exit.Code}"), 3, 0),
        };

        string Say(string otherwise) => text.Length > 0 ? text : otherwise;
    }

    /// <summary>The last line that says something, without control characters.</summary>
    internal static string LastLine(ReadOnlySpan<byte> output)
    {
        output = output.TrimEnd(" \t\r\n\0"u8);
        output = output[(output.LastIndexOf((byte)'\n') + 1)..];
        StringBuilder text = new();
        foreach (Rune rune in Encoding.UTF8.GetString(output).EnumerateRunes())
        {
            if (text.Length >= TextBound) break;
            if (!Rune.IsControl(rune)) text.Append(rune.ToString());
        }
        return text.ToString();
    }
}
