using System.Text;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// Storing a message as a command of its own, for actions that wrap a delivery into a maildir or mailbox: the
/// executable in a role in which it stores its standard input where a variable of its environment says.
/// </summary>
internal static class WrappedStore
{
    /// <summary>The argument that asks for the role.</summary>
    internal const string Argument = "--role=store";

    private const string Variable = "POSTHOUSE_TARGET";
    private const int TemporaryExit = 75;
    private const int Input = 0;

    /// <summary>The text that stands for <c>%{mda}</c> in the wrapper; null when the executable's path would need quoting.</summary>
    internal static string? CommandText(IReadOnlyList<string> executable)
    {
        string text = string.Join(' ', [.. executable, Argument]);
        return text.All(static c => char.IsAsciiLetterOrDigit(c) || c is '/' or '.' or '_' or '-' or '=' or ' ' or '+') ? text : null;
    }

    /// <summary>The variable that tells the command where to store.</summary>
    internal static KeyValuePair<string, string> VariableOf(FileTarget target, string sender) =>
        new(Variable, Convert.ToBase64String(new PayloadWriter().Block(WorkerPayload.Of(target)).Text(sender).Payload.Span));

    /// <summary>Runs the role; answers the exit code (sysexits.h).</summary>
    internal static int Run()
    {
        byte[] encoded = new byte[16384];
        if (Environment.GetEnvironmentVariable(Variable) is not { } text || !Convert.TryFromBase64String(text, encoded, out int length)) return Fail("the wrapper took the environment away");
        PayloadReader reader = new(encoded.AsSpan(0, length));
        FileTarget? target = WorkerPayload.ReadTarget(reader.Block(encoded.Length));
        string sender = reader.Text(DeliveryOrder.MaxText);
        if (target is null || !reader.IsWhole) return Fail("malformed target");

        byte[] block = new byte[MessageText.HeadBound];
        int got = Fill(block);
        if (target is FileTarget.Maildir { Junk: true } maildir) target = maildir with { Junk = MessageMarks.IsMarkedAsJunk(block.AsSpan(0, got)) };
        using IMessageFile? file = target.Open(new(TimeProvider.System, Environment.MachineName), sender, out DeliveryResult? failure);
        if (file is null) return Fail(failure!.Text);
        while (failure is null && got > 0)
        {
            failure = file.Append(block.AsSpan(0, got));
            got = Fill(block);
        }
        failure ??= file.Finish();
        return failure.Outcome == DeliveryOutcome.Delivered ? 0 : Fail(failure.Text);
    }

    private static unsafe int Fill(byte[] block)
    {
        int done = 0;
        fixed (byte* start = block)
        {
            while (done < block.Length)
            {
                nint got = Libc.read(Input, start + done, (nuint)(block.Length - done));
                if (got > 0) done += (int)got;
                else if (got == 0 || Errno.Last != Errno.Interrupted) break;
            }
        }
        return done;
    }

    private static int Fail(string why)
    {
        BlockingDescriptor.WriteAll(2, Encoding.UTF8.GetBytes(why + "\n"));
        return TemporaryExit;
    }
}
