namespace Posthouse.SystemTests.Support;

/// <summary>Certificates that openssl makes: each signed by itself, and good for two days.</summary>
internal static class Certificates
{
    /// <summary>Writes NAME.crt and NAME.key into a folder.</summary>
    public static void Make(string folder, string name, string kind = "ec")
    {
        string[] key = kind == "ec" ? ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"] : ["rsa:2048"];
        string[] arguments =
        [
            "req", "-x509", "-nodes", "-days", "2", "-newkey", .. key, "-subj", $"/CN={name}", "-addext", $"subjectAltName=DNS:{name}",
            "-keyout", $"{folder}/{name}.key", "-out", $"{folder}/{name}.crt",
        ];
        Tool made = Tool.RunAsync("openssl", arguments).GetAwaiter().GetResult();
        Assert.True(made.ExitCode == 0, made.ToString());
    }

    /// <summary>The line of a configuration that names one.</summary>
    public static string Pki(string name) => $"pki {name} cert \"{{dir}}/{name}.crt\"\npki {name} key \"{{dir}}/{name}.key\"\n";
}
