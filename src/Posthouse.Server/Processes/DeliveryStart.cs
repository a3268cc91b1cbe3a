using Posthouse.Server.Model;

namespace Posthouse.Server.Processes;

/// <summary>A delivery program that runs, or why it was not started; neither when the envelope's source names a file to be written, and no program.</summary>
public sealed record DeliveryStart(IDeliveryProgram? Program, Fault? Fault)
{
    /// <summary>There is no program to start: the message is to be stored.</summary>
    public static DeliveryStart IsFile { get; } = new(null, null);
}
