namespace Posthouse.Server.Native;

/// <summary>
/// The children that this process started and has not waited for, so that those it merely inherited (as process 1 does)
/// can be told from them.
/// </summary>
internal static class OwnChildren
{
    private const int ByParent = 0;
    private const int InformationSize = 128;
    private const int ProcessOffset = 16;
    private const int NoHang = 1, Exited = 4, LeaveZombie = 0x01000000;

    private static readonly ReaderWriterLockSlim s_starting = new();

    // A number may be given to a new child before its old bearer is struck out.
    private static readonly Dictionary<int, int> s_children = [];

    /// <summary>Held while a child is started: until it is in the list, it would look inherited.</summary>
    internal static StartingScope Starting()
    {
        s_starting.EnterReadLock();
        return default;
    }

    /// <summary>A child was started.</summary>
    internal static void Add(int process)
    {
        lock (s_children) s_children[process] = s_children.GetValueOrDefault(process) + 1;
    }

    /// <summary>A child was waited for.</summary>
    internal static void Remove(int process)
    {
        lock (s_children)
        {
            if (!s_children.TryGetValue(process, out int count)) return;
            if (count > 1) s_children[process] = count - 1;
            else s_children.Remove(process);
        }
    }

    /// <summary>Waits for every ended child that this process did not start; answers how many there were.</summary>
    internal static unsafe int ReapInherited()
    {
        byte* information = stackalloc byte[InformationSize];
        int reaped = 0;
        s_starting.EnterWriteLock();
        try
        {
            while (true)
            {
                new Span<byte>(information, InformationSize).Clear();
                if (Libc.waitid(ByParent, 0, information, Exited | NoHang | LeaveZombie) != 0) return reaped;
                int process = *(int*)(information + ProcessOffset);
                if (process == 0) return reaped;
                // The same one is told again and again until somebody waits for it: then the others must be looked for.
                if (IsOwn(process)) return reaped + ReapInheritedBehindOwn();
                if (Reap(process)) reaped++;
            }
        }
        finally
        {
            s_starting.ExitWriteLock();
        }
    }

    private static int ReapInheritedBehindOwn()
    {
        int reaped = 0;
        foreach (string directory in Directory.EnumerateDirectories("/proc"))
            if (int.TryParse(Path.GetFileName(directory), out int process) && !IsOwn(process) && IsZombieChild(directory) && Reap(process)) reaped++;
        return reaped;
    }

    // proc_pid_stat(5): after the name, which may hold anything, in parentheses, stand the state and the parent.
    private static bool IsZombieChild(string directory)
    {
        try
        {
            string line = File.ReadAllText(directory + "/stat");
            string[] fields = line[(line.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            return fields is ["Z", var parent, ..] && int.TryParse(parent, out int number) && number == Environment.ProcessId;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // It has ended meanwhile, or is none of our business.
            return false;
        }
    }

    private static unsafe bool Reap(int process)
    {
        int status;
        return Libc.waitpid(process, &status, NoHang) == process;
    }

    private static bool IsOwn(int process)
    {
        lock (s_children) return s_children.ContainsKey(process);
    }

    /// <summary>Ends <see cref="Starting"/>.</summary>
    internal readonly ref struct StartingScope
    {
        public void Dispose() => s_starting.ExitReadLock();
    }
}
