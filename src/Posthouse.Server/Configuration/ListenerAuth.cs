namespace Posthouse.Server.Configuration;

/// <summary>Whether a listener offers or demands AUTH.</summary>
public enum ListenerAuth
{
    /// <summary>Neither.</summary>
    None,

    /// <summary>Offered on encrypted sessions (<c>auth-optional</c>).</summary>
    Optional,

    /// <summary>MAIL is refused until it succeeded (<c>auth</c>).</summary>
    Required,
}
