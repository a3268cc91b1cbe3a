using Posthouse.Server.Model;

namespace Posthouse.Server.Configuration;

/// <summary>Programs: the proc statement, and the options that all programs share.</summary>
internal sealed partial class StatementParser
{
    private readonly Dictionary<string, FilterProcess> _processes = new(StringComparer.Ordinal);

    private void ProcStatement(SourcePosition position)
    {
        Token name = _token;
        Name("a name for the program");
        PlugCommand command = PlugCommand(position, PlugOptions.Instances | PlugOptions.OnFailure);
        if (!_failed && !_processes.TryAdd(name.Text, new(name.Text, command)))
            Error(name.Position, $"proc {Quote(name.Text)} is declared already at {_processes[name.Text].Command.Position.FileAndLine}: expected another name");
    }

    private PlugCommand PlugCommand(SourcePosition position, PlugOptions allowed)
    {
        Token command = _token;
        var plug = new PlugCommand(Text("a command, in quotes if it has arguments")) { Position = position };
        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (!_failed && !_token.IsEnd)
        {
            Token option = _token;
            if (Accept("user"))
                plug = plug with { User = User() };
            else if (Accept("group"))
                plug = plug with { Group = Text("a group") };
            else if (Accept("chroot"))
                plug = plug with { Chroot = AbsolutePath("a directory") };
            else if (allowed.HasFlag(PlugOptions.Instances) && Accept("instances"))
                plug = plug with { Instances = (int)Number("instances", 1, 64) };
            else if (Accept("timeout"))
                plug = plug with { Timeout = Delay("timeout") };
            else if (allowed.HasFlag(PlugOptions.OnFailure) && Accept("on-failure"))
                plug = plug with { OnFailure = FailurePolicy() };
            else
                Fail("user, group, chroot, " + (allowed.HasFlag(PlugOptions.Instances) ? "instances, " : "") + (allowed.HasFlag(PlugOptions.OnFailure) ? "timeout or on-failure" : "or timeout"));
            Once(seen, option);
        }
        if (!_failed)
            CheckProgram(command);
        return plug;
    }

    private PlugFailurePolicy FailurePolicy()
    {
        if (Accept("bypass"))
            return PlugFailurePolicy.Bypass;
        if (Accept("reject"))
            return PlugFailurePolicy.Reject;
        if (!Accept("tempfail"))
            Fail("tempfail, bypass or reject");
        return PlugFailurePolicy.Tempfail;
    }

    // Whether a program is there is the machine's affair, not the language's: it may be installed later.
    private void CheckProgram(Token command)
    {
        string program = command.Text.TrimStart().Split(' ', '\t')[0];
        if (program.Length == 0)
            Error(command.Position, "the command is empty: expected a program");
        else if (!program.AsSpan().ContainsAny("$'\"`\\;|&<>(){}*?~=") && _environment.FindProgram(program) is null)
            Warn(command.Position, $"program {Quote(program)} was not found");
    }

    private string User()
    {
        Token user = _token;
        string name = Text("a user");
        if (!_failed && !_environment.UserExists(name))
            Warn(user.Position, $"user {Quote(name)} is unknown to the system");
        return name;
    }

    private string AbsolutePath(string what)
    {
        Token token = _token;
        string path = Text(what);
        if (!_failed && !path.StartsWith('/'))
            Error(token.Position, $"{Quote(path)} is not absolute: expected {what} that begins with /");
        return path;
    }

    /// <summary>The options that only some programs have.</summary>
    [Flags]
    private enum PlugOptions
    {
        None = 0,
        Instances = 1,
        OnFailure = 2,
    }
}
