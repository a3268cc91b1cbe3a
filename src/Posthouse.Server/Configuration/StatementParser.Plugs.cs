using Posthouse.Server.Model;
using Posthouse.Server.Processes;

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
            CheckProgram(command, plug.Chroot);
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

    // Whether a program is there is the machine's affair, not the language's: it may be installed later. Of what a shell runs only the shell is known.
    private void CheckProgram(Token command, string? root)
    {
        if (PlugCommandLine.Parse(command.Text, out string? failure) is not { } line)
            Error(command.Position, $"{failure}: expected a program and its arguments");
        else if (root is null ? !line.IsShell && _environment.FindProgram(line.Arguments[0]) is null : !IsProgramIn(root, line.Arguments[0]))
            Warn(command.Position, $"program {Quote(line.Arguments[0])} was not found" + (root is null ? "" : $" in {Quote(root)}"));
    }

    // A root directory that is refused already is not looked into.
    private bool IsProgramIn(string root, string program)
    {
        if (!root.StartsWith('/'))
            return true;
        string directory = root.TrimEnd('/');
        return program.StartsWith('/')
            ? _environment.FindProgram(directory + program) is not null
            : PlugCommandLine.Directories.Any(place => _environment.FindProgram($"{directory}{place}/{program}") is not null);
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
