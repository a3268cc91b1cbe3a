namespace Posthouse.Server.Tables;

/// <summary>Finds an account of the system by name. May block for as long as the system's name service does.</summary>
public delegate AccountLookup AccountFinder(string name);
