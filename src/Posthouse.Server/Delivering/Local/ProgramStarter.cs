using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Posthouse.Plugs;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>Starts delivery programs, watches them, and gives the engine the descriptors by which it feeds them. Calls block for some 20 ms.</summary>
internal sealed class ProgramStarter(LocalSettings settings, TimeProvider time, ILogger logger) : IDisposable
{
    private readonly ChildStarter _starter = new(settings.Executable);
    private readonly ProgramWatch _watch = new(time);

    /// <summary>Starts a program, unless <paramref name="most"/> run: the engine's ends of its input, its output and its status socket; or why it did not start.</summary>
    internal (SafeFileHandle[]? Ends, DeliveryResult? Failure) Start(LocalPlan.Run run, Envelope envelope, int most)
    {
        if (!_watch.TryReserve(most)) return (null, DeliveryResult.Temporary("too many delivery programs run", 3, 2));
        string[] environment = [.. DeliveryEnvironment.Of(envelope, run.Account).Concat(run.Command.Variables).Select(static variable => $"{variable.Key}={variable.Value}")];
        ChildRequest request = ChildStarter.For(run.Account, settings.ChangesIdentity, run.Command.Arguments, environment);
        int read = -1, write = -1, output = -1, errors = -1, ours = -1, theirs = -1, copy = -1;
        string? failure = null;
        int? process = null;
        if (DescriptorPair.Pipe(out read, out write) != 0 || DescriptorPair.Pipe(out output, out errors) != 0 || DescriptorPair.Sockets(out ours, out theirs) != 0
            || (copy = DescriptorPair.Copy(write)) < 0) failure = Errno.Text(Errno.Last);
        else
        {
            // A program may open its standard streams again by name (/dev/stdin); they must then be its user's.
            if (settings.ChangesIdentity)
                foreach (int end in (int[])[read, errors]) Libc.fchown(end, run.Account.Uid, run.Account.Gid);
            process = _starter.Start(request, read, errors, errors, out failure);
        }
        Close(read, errors);
        if (process is { } number)
        {
            _watch.Add(number, copy, ours, settings.ProgramLimit);
            return ([new(write, ownsHandle: true), new(output, ownsHandle: true), new(theirs, ownsHandle: true)], null);
        }
        _watch.Release();
        Close(write, output, ours, theirs, copy);
        ProcessesLog.StartFailed(logger, run.Command.Arguments[0], run.Account.Name, failure ?? "");
        return (null, DeliveryResult.Temporary($"cannot run {run.Command.Arguments[0]}: {failure}", 3, 0));
    }

    /// <summary>Kills what runs.</summary>
    public void Dispose() => _watch.Dispose();

    private static void Close(params ReadOnlySpan<int> descriptors)
    {
        foreach (int descriptor in descriptors)
            if (descriptor >= 0) Libc.close(descriptor);
    }
}
