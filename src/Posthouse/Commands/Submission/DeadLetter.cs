using System.Globalization;
using System.Text;

namespace Posthouse.Commands.Submission;

/// <summary>Keeps a message that could not be sent in <c>dead.letter</c> of the user's home, as sendmail always has.</summary>
public static class DeadLetter
{
    /// <summary>Appends it in mbox form; answers what happened, for the user.</summary>
    public static string Save(Draft draft, string sender, string home, DateTimeOffset now)
    {
        string path = Path.Combine(home, "dead.letter");
        try
        {
            // root may be asked to write into a directory that is somebody else's.
            if (new FileInfo(path).LinkTarget is not null)
                return $"{path} is a link, the message is not saved";
            using FileStream file = new(path, new FileStreamOptions
            {
                Mode = FileMode.Append,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
            string from = sender.Length > 0 ? sender : "MAILER-DAEMON";
            file.Write(Encoding.Latin1.GetBytes(string.Create(CultureInfo.InvariantCulture, $"From {from} {now.UtcDateTime:ddd MMM d HH:mm:ss yyyy}\n")));
            draft.CopyTo(file);
            file.Write("\n\n"u8);
            return $"message saved in {path}";
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return $"message not saved: {error.Message}";
        }
    }
}
