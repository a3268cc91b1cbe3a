using Posthouse.Server.Model;

namespace Posthouse.Server.Transport.Keys;

/// <summary>What came of loading a key: its id, or a fault, which is permanent when the files are to blame.</summary>
internal readonly record struct KeyLoad(KeyId? Id, Fault? Fault);
