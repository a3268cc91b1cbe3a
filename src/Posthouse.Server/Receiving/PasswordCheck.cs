using Posthouse.Plugs;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Receiving;

/// <summary>Says whether a password is a user's: by a table of credentials, or by the accounts of the system.</summary>
public sealed class PasswordCheck
{
    private readonly ITable? _credentials;
    private readonly IPrivileges? _privileges;

    /// <summary>Checks against a table: it checks by itself where it serves <see cref="TableService.Auth"/>, else its hashes are of crypt(3).</summary>
    public PasswordCheck(ITable credentials) => _credentials = credentials;

    /// <summary>Checks against the system's accounts.</summary>
    public PasswordCheck(IPrivileges privileges) => _privileges = privileges;

    /// <summary>True or false; null when it cannot be told now.</summary>
    public async ValueTask<bool?> IsRightAsync(string user, string password, CancellationToken cancellation = default)
    {
        if (_credentials == null)
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
        if (found.Status != TableStatus.Found)
            return found.Status == TableStatus.NotFound ? false : null;
        string value = found.Value ?? "";
        int colon = value.IndexOf(':', StringComparison.Ordinal);
        return colon >= 0 && CryptPassword.Verify(password, value[(colon + 1)..]);
    }
}
