using Microsoft.Extensions.Logging;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Processes;

/// <summary>Checks passwords of the system's users. At most one check per core runs at a time: hashing is slow on purpose.</summary>
public sealed class SystemPasswords(TimeProvider time, ILogger logger) : IDisposable
{
    // Computed for users that do not exist, so that time does not tell them from those that do.
    private const string NobodysHash = "$6$PosthouseNobody$";

    private readonly SemaphoreSlim _turns = new(Math.Max(1, Environment.ProcessorCount));

    /// <summary>Whether <paramref name="password"/> is the user's.</summary>
    public async ValueTask<PasswordVerdict> CheckAsync(string user, string password, CancellationToken cancellation)
    {
        await _turns.WaitAsync(cancellation);
        try
        {
            return await Task.Run(() => Check(user, password), cancellation);
        }
        finally
        {
            _turns.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _turns.Dispose();

    private PasswordVerdict Check(string user, string password)
    {
        if (!CryptPassword.IsAvailable)
        {
            ProcessesLog.PasswordsUnavailable(logger, "the system has no libcrypt");
            return PasswordVerdict.Unavailable;
        }
        UserAccount? account = SystemAccounts.Find(user, out int error);
        string? hash = null;
        if (account is not null && error == 0)
            hash = ShadowPassword.Find(account.Name, time.GetUtcNow().ToUnixTimeSeconds() / 86400, out error);
        if (error != 0)
        {
            ProcessesLog.PasswordsUnavailable(logger, Errno.Text(error));
            return PasswordVerdict.Unavailable;
        }
        if (hash is not null) return CryptPassword.Verify(password, hash) ? PasswordVerdict.Accepted : PasswordVerdict.Refused;
        CryptPassword.Compute(password, NobodysHash);
        return PasswordVerdict.Refused;
    }
}
