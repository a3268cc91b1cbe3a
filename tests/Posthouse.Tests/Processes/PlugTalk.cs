using System.Net.Sockets;
using System.Text;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Tests.Processes;

/// <summary>What tests of plugs say to them and hear from them.</summary>
internal static class PlugTalk
{
    internal static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Starts a plug that must start.</summary>
    internal static async Task<IPlugProcess> StartAsync(this IPlugStarter starter, PlugCommand command, string name = "plug")
    {
        PlugStart start = await starter.StartAsync(name, command, 0, CancellationToken.None);
        Assert.Null(start.Failure);
        return start.Process!;
    }

    /// <summary>All that comes until nobody holds the other end any more.</summary>
    internal static async Task<string> ReadAllAsync(Socket socket)
    {
        using CancellationTokenSource limit = new(Patience);
        MemoryStream all = new();
        byte[] block = new byte[4096];
        for (int got; (got = await socket.ReceiveAsync(block, limit.Token)) > 0;) all.Write(block, 0, got);
        return Encoding.UTF8.GetString(all.ToArray());
    }

    /// <summary>The next line, without its end.</summary>
    internal static async Task<string> ReadLineAsync(Socket socket)
    {
        using CancellationTokenSource limit = new(Patience);
        StringBuilder line = new();
        byte[] one = new byte[1];
        while (await socket.ReceiveAsync(one, limit.Token) == 1 && one[0] != '\n') line.Append((char)one[0]);
        return line.ToString();
    }

    /// <summary>Sends a line and answers the next that comes.</summary>
    internal static async Task<string> AskAsync(Socket socket, string line)
    {
        await socket.SendAsync(Encoding.UTF8.GetBytes(line + "\n"));
        return await ReadLineAsync(socket);
    }

    /// <summary>What a program writes, and how it ends.</summary>
    internal static async Task<(string Output, ProcessEnd End)> RunAsync(this IPlugStarter starter, PlugCommand command)
    {
        using IPlugProcess plug = await starter.StartAsync(command);
        plug.Conversation.Shutdown(SocketShutdown.Send);
        string output = await ReadAllAsync(plug.Conversation);
        return (output, await plug.Ended.WaitAsync(Patience));
    }
}
