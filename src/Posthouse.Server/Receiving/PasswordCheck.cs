using Posthouse.Plugs;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Receiving;

/// <summary>
/// Says whether a password is a user's: by a table of credentials, or by the accounts of the system. Hashing is slow by
/// intention, so no more run at once than there are cores, away from the session; and a user who does not exist costs as
/// much time as one who does.
/// </summary>
public sealed class PasswordCheck
{
    private const string NobodysSetting = "$6$0123456789abcdef$";

    private static readonly SemaphoreSlim s_hashing = new(Environment.ProcessorCount);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private readonly ITable? _credentials;
    private readonly IPrivileges? _privileges;

    /// <summary>Checks against a table: it checks by itself where it serves <see cref="TableService.Auth"/>, else its values are hashes of crypt(3), perhaps with <c>user:</c> before them.</summary>
    public PasswordCheck(ITable credentials) => _credentials = credentials;

    /// <summary>Checks against the system's accounts.</summary>
    public PasswordCheck(IPrivileges privileges) => _privileges = privileges;

    /// <summary>True or false; null when it cannot be told now.</summary>
    public async ValueTask<bool?> IsRightAsync(string user, string password, CancellationToken cancellation = default)
    {
        // A table in another process reads lines; a name or password that would end one is nobody's (7.8.0p1).
        if (user.Length == 0 || user.Any(char.IsControl) || password.AsSpan().ContainsAny("\0\r\n"))
            return false;
        if (_credentials is null)
        {
            return await _privileges!.CheckPasswordAsync(user, password, cancellation) switch
            {
                PasswordVerdict.Accepted => true,
                PasswordVerdict.Refused => false,
                _ => null,
            };
        }
        if (_credentials.Supports(TableService.Auth))
        {
            // A colon ends the user's name there.
            if (user.Contains(':', StringComparison.Ordinal))
                return false;
            TableResult verdict = await _credentials.CheckAsync(TableService.Auth, $"{user}:{password}", cancellation);
            return verdict.Status switch { TableStatus.Found => true, TableStatus.NotFound => false, _ => null };
        }
        TableResult found = await _credentials.LookupAsync(TableService.Credentials, user, cancellation);
        if (found.Status == TableStatus.Error)
            return null;
        string value = found.IsFound ? found.Value ?? "" : "";
        return await VerifyAsync(password, value[(value.IndexOf(':', StringComparison.Ordinal) + 1)..], cancellation);
    }

    private static async ValueTask<bool?> VerifyAsync(string password, string hash, CancellationToken cancellation)
    {
        if (!await s_hashing.WaitAsync(s_patience, cancellation))
            return null;
        try
        {
            return await Task.Run(() => Verify(password, hash), CancellationToken.None);
        }
        finally
        {
            s_hashing.Release();
        }
    }

    private static bool Verify(string password, string hash)
    {
        if (hash.Length > 0)
            return CryptPassword.Verify(password, hash);
        _ = CryptPassword.Compute(password, NobodysSetting);
        return false;
    }
}
