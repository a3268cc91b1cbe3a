using System.Security.Cryptography;
using System.Text;
using Posthouse.Server.Native;

namespace Posthouse.Commands;

/// <summary><c>posthouse encrypt</c>: hashes passwords for a credentials table, by SHA-512 crypt(3).</summary>
public static class EncryptCommand
{
    private const string SaltCharacters = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    private const int LongestPassword = 512;

    /// <summary>Hashes the argument, or each line of the input, which keeps the password out of the list of processes. Exit status 0 or 1.</summary>
    public static int Run(string[] args, Terminal? terminal = null)
    {
        terminal ??= Terminal.Process;
        if (args.Length > 1 || args is ["-h" or "--help"])
        {
            terminal.Error.WriteLine("usage: posthouse encrypt [PASSWORD]");
            return 1;
        }
        if (args.Length == 1)
            return Hash(args[0], terminal);
        using StreamReader reader = new(terminal.Input, new UTF8Encoding(false), leaveOpen: true);
        while (reader.ReadLine() is { } line)
        {
            if (Hash(line, terminal) != 0)
                return 1;
        }
        return 0;
    }

    private static int Hash(string password, Terminal terminal)
    {
        string salt = RandomNumberGenerator.GetString(SaltCharacters, 16);
        if (password.Length > LongestPassword || CryptPassword.Compute(password, $"$6${salt}$") is not { } hash)
        {
            terminal.Error.WriteLine(CryptPassword.IsAvailable ? "encrypt: this password cannot be hashed" : "encrypt: the system has no libcrypt");
            return 1;
        }
        terminal.Output.WriteLine(hash);
        return 0;
    }
}
