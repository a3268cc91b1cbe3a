using Posthouse.Server.Model;

namespace Posthouse.Server.Processes;

/// <summary>A delivery program that runs, or why it was not started.</summary>
public sealed record DeliveryStart(IDeliveryProgram? Program, Fault? Fault);
