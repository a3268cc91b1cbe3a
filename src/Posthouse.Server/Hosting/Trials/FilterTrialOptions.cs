using System.Net;
using Posthouse.Server.Model;

namespace Posthouse.Server.Hosting.Trials;

/// <summary>What a <see cref="FilterTrial"/> tries, and what the filter is to see.</summary>
public sealed record FilterTrialOptions
{
    /// <summary>The filter. It runs as who tries it, whatever user, group and chroot say.</summary>
    public required PlugCommand Command { get; init; }

    /// <summary>Its working directory.</summary>
    public string Directory { get; init; } = "/";

    /// <summary>How the server calls itself.</summary>
    public string ServerName { get; init; } = "mx.example.org";

    /// <summary>The address of the client; null: it is a program of this machine.</summary>
    public IPAddress? Client { get; init; }

    /// <summary>The name of that address; null: it has none.</summary>
    public string? ReverseName { get; init; }

    /// <summary>Whether STARTTLS is offered, with a certificate of the moment.</summary>
    public bool OffersTls { get; init; }

    /// <summary>When the filter is killed; null: it is not.</summary>
    public CrashPoint? Crash { get; init; }
}
