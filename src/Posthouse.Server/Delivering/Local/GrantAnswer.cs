using Posthouse.Server.Model;

namespace Posthouse.Server.Delivering.Local;

/// <summary>A grant; or why there is none.</summary>
internal sealed record GrantAnswer(FileGrant? Grant, DeliveryResult? Failure);
