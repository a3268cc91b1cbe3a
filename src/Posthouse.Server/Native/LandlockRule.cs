namespace Posthouse.Server.Native;

/// <summary>What may be done with a file, or with everything below a directory.</summary>
public readonly record struct LandlockRule(string Path, LandlockAccess Access);
