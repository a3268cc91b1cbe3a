namespace Posthouse.DkimSign;

/// <summary>Who sends in a session, as its events have told.</summary>
internal sealed class Sender
{
    public string Address { get; set; } = "";

    public bool IsAuthenticated { get; set; }
}
