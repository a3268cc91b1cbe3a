using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Delivering.Local;

/// <summary>What an error of the file system means for a delivery: room may come back and a directory may be repaired, so all are temporary.</summary>
internal static class FileFailure
{
    /// <summary>The result for error <paramref name="error"/> of <paramref name="action"/> (such as "open").</summary>
    internal static DeliveryResult Of(int error, string action, string path) => error switch
    {
        // RFC 3463 3.3: X.2.2 mailbox full; 3.4: X.3.1 mail system full.
        Errno.Quota => DeliveryResult.Temporary($"cannot {action} {path}: over quota", 2, 2),
        Errno.NoSpace => DeliveryResult.Temporary($"cannot {action} {path}: no space left", 3, 1),
        _ => DeliveryResult.Temporary($"cannot {action} {path}: {Errno.Text(error)}", 2, 0),
    };
}
