using Microsoft.Extensions.Logging;

namespace Posthouse.Server.Hosting;

/// <summary>
/// The names by which parts of the server are traced (<c>smtpctl trace</c>), and the events that belong to each: the
/// event ids of an area share their hundreds.
/// </summary>
public static class LogSubsystem
{
    private const int FirstArea = 1000;
    private const int AreaSize = 100;
    private const int Areas = 16;

    /// <summary>The areas, as a set of bits, that a name stands for; false when it stands for none.</summary>
    public static bool TryFind(string name, out int areas)
    {
        areas = name switch
        {
            "io" => Bit(1200),
            "lookup" => Bit(1100),
            "tables" => Bit(1300),
            "queue" => Bit(1500),
            "scheduler" => Bit(1600),
            "rules" or "expand" => Bit(1800),
            "mda" or "mta" or "bounce" => Bit(1900) | Bit(1000),
            "smtp" => Bit(2000),
            "control" => Bit(2100),
            "all" => (1 << Areas) - 1,
            _ => 0,
        };
        return areas != 0;
    }

    /// <summary>The area of an event, as a bit; 0 for one outside all areas.</summary>
    public static int AreaOf(EventId id) => id.Id is >= FirstArea and < FirstArea + (Areas * AreaSize) ? Bit(id.Id) : 0;

    private static int Bit(int id) => 1 << ((id - FirstArea) / AreaSize);
}
