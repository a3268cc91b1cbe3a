using Microsoft.Extensions.Logging;
using Posthouse.Server.Configuration;
using Posthouse.Server.Model;

namespace Posthouse.Server.Hosting;

/// <summary>What configurations use that this version does not honour.</summary>
public static class UnsupportedFeatures
{
    /// <summary>The fault of a configuration that uses such; when it is to be ignored, one line of the log each instead.</summary>
    public static Fault? Refuse(ServerConfiguration configuration, bool isIgnored, ILogger logger)
    {
        if (configuration.UnsupportedFeatures.Length == 0) return null;
        if (!isIgnored)
        {
            string list = string.Join("\n", configuration.UnsupportedFeatures.Select(feature => $"{feature.Position}: {feature.What}"));
            return Fault.Permanent("not supported",
                $"the configuration uses what this version does not support yet:\n{list}\nposthouse: take it out, or start with --ignore-unsupported to serve without it");
        }

        foreach (UnsupportedFeature feature in configuration.UnsupportedFeatures)
            HostingLog.Unsupported(logger, feature.Position.ToString(), feature.What);
        return null;
    }
}
