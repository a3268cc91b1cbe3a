using System.Net.Sockets;
using Posthouse.Server.Model;

namespace Posthouse.Server.Processes;

/// <summary>A listening socket, or why there is none.</summary>
public sealed record ListenResult(Socket? Socket, Fault? Fault);
