namespace Posthouse.SystemTests.Support;

/// <summary>An RSA key that openssl makes, and dkimpy, which is somebody else's, to verify what is signed with it.</summary>
internal static class DkimKey
{
    private const string Verifier = """
        import subprocess, sys, dkim
        public = "".join(subprocess.run(["openssl", "rsa", "-in", sys.argv[1], "-pubout"], capture_output=True, text=True, check=True).stdout.splitlines()[1:-1])
        wrong = 0
        for name in sys.argv[2:]:
            message = open(name, "rb").read()
            if not dkim.verify(message, dnsfunc=lambda name, timeout=5: b"v=DKIM1; k=rsa; p=" + public.encode()):
                print(name, message.decode("latin-1"), sep="\n")
                wrong = 1
        sys.exit(wrong)
        """;

    /// <summary>Makes FOLDER/key.pem of a server, for the user of its filters alone.</summary>
    public static void Make(RunningServer server)
    {
        string file = File(server);
        LocalSite.Run("openssl", "genrsa", "-out", file, "2048");
        server.WriteOwn(file, System.IO.File.ReadAllText(file));
    }

    /// <summary>Verifies the first signature of each message; fails with those that are not right.</summary>
    public static async Task VerifyAsync(RunningServer server, params string[] messages)
    {
        Assert.NotEmpty(messages);
        Tool verified = await Tool.RunAsync("/usr/bin/python3", ["-c", Verifier, File(server), .. messages]);
        Assert.True(verified.ExitCode == 0, verified.ToString());
    }

    private static string File(RunningServer server) => Path.Combine(server.Folder, "key.pem");
}
