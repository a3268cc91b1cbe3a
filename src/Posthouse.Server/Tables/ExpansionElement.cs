namespace Posthouse.Server.Tables;

/// <summary>One element of an alias or .forward. The text is without quoting and prefix: a name, an address, a command, a path, or <c>550 text</c>.</summary>
public readonly record struct ExpansionElement(ExpansionKind Kind, string Text);
