using System.Text;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Commands.Submission;

/// <summary>The user who runs sendmail.</summary>
/// <param name="User">Login name, without a domain: the server knows its own name best and adds it.</param>
/// <param name="FullName">From the system's record (passwd(5), the part of the comment before a comma); perhaps empty.</param>
/// <param name="Home">Home directory.</param>
public sealed record Author(string User, string FullName, string Home)
{
    private const string Specials = "()<>[]:;@\\,.\"";

    /// <summary>The user of this process, by the system's records.</summary>
    public static Author OfProcess()
    {
        uint uid = SystemAccounts.EffectiveUser;
        UserAccount? account = SystemAccounts.Find(uid, out _);
        string user = account?.Name ?? $"uid{uid}";
        return new Author(user, FullNameOf(user), account?.Home ?? "/");
    }

    /// <summary>The value of a From field.</summary>
    public static string From(string fullName, string address)
    {
        if (fullName.Length == 0)
            return address;
        string name = !System.Text.Ascii.IsValid(fullName)
            ? $"=?utf-8?b?{Convert.ToBase64String(Encoding.UTF8.GetBytes(fullName))}?="
            : fullName.AsSpan().ContainsAny(Specials)
                ? $"\"{fullName.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\""
                : fullName;
        return $"{name} <{address}>";
    }

    private static string FullNameOf(string user)
    {
        try
        {
            foreach (string line in File.ReadLines("/etc/passwd"))
            {
                string[] fields = line.Split(':');
                if (fields.Length > 4 && fields[0] == user)
                    return fields[4].Split(',')[0].Replace("&", user, StringComparison.Ordinal).Trim();
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // A name is an ornament; without the file there is none.
        }
        return "";
    }
}
