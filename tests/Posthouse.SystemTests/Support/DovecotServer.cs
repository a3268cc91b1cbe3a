using System.Diagnostics;
using Posthouse.Server.Model;

namespace Posthouse.SystemTests.Support;

/// <summary>A Dovecot with a configuration and directories of its own: LMTP on a Unix socket and a port, and a reader of maildirs.</summary>
internal sealed class DovecotServer : IAsyncDisposable
{
    private readonly Process _process;

    private DovecotServer(Process process, string folder)
    {
        _process = process;
        Folder = folder;
    }

    public string Folder { get; }

    /// <summary>The path of its LMTP socket below a folder, before it runs too.</summary>
    public static string SocketIn(string folder) => Path.Combine(folder, "run", "lmtp");

    /// <summary>Starts one for users who are all <paramref name="account"/>; their maildirs are <c>FOLDER/box/NAME</c>.</summary>
    public static async Task<DovecotServer> StartAsync(string folder, UserAccount account, int port, params string[] users)
    {
        Directory.CreateDirectory(folder);
        string box = Directory.CreateDirectory(Path.Combine(folder, "box")).FullName;
        if (Server.Native.SystemAccounts.IsRoot) Assert.Equal(0, Server.Native.FileDescriptor.ChangeOwner(box, account.Uid, account.Gid));
        string group = LocalSite.Run("id", "-gn", account.Name).Trim();
        await File.WriteAllTextAsync(Path.Combine(folder, "users"), string.Concat(users.Select(user => $"{user}::{account.Uid}:{account.Gid}::{box}/{user}::\n")), TestContext.Current.CancellationToken);
        string configuration = Path.Combine(folder, "dovecot.conf");
        await File.WriteAllTextAsync(configuration, $$"""
            protocols = lmtp
            base_dir = {{folder}}/run
            state_dir = {{folder}}/state
            log_path = {{folder}}/log
            ssl = no
            first_valid_uid = 1
            mail_uid = {{account.Uid}}
            mail_gid = {{account.Gid}}
            last_valid_uid = 0
            default_internal_user = {{account.Name}}
            default_internal_group = {{group}}
            default_login_user = {{account.Name}}
            mail_location = maildir:{{box}}/%Ln
            auth_username_format = %Ln
            disable_plaintext_auth = no
            passdb {
              driver = passwd-file
              args = {{folder}}/users
            }
            userdb {
              driver = passwd-file
              args = {{folder}}/users
            }
            service anvil {
              chroot =
            }
            service stats {
              chroot =
            }
            service lmtp {
              chroot =
              unix_listener lmtp {
                mode = 0666
              }
              inet_listener lmtp {
                address = 127.0.0.1
                port = {{port}}
              }
            }

            """, TestContext.Current.CancellationToken);
        ProcessStartInfo start = new("/usr/sbin/dovecot", ["-F", "-c", configuration]) { RedirectStandardError = true, RedirectStandardOutput = true, WorkingDirectory = folder };
        DovecotServer server = new(Process.Start(start)!, folder);
        DateTime deadline = DateTime.UtcNow.AddSeconds(60);
        using PeriodicTimer poll = new(TimeSpan.FromMilliseconds(20));
        while (!File.Exists(SocketIn(folder)))
        {
            Assert.False(server._process.HasExited || DateTime.UtcNow > deadline, $"dovecot does not serve: {(server._process.HasExited ? await server._process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken) : "")}{server.Log}");
            await poll.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }

        return server;
    }

    /// <summary>What it has logged.</summary>
    public string Log => File.Exists(Path.Combine(Folder, "log")) ? File.ReadAllText(Path.Combine(Folder, "log")) : "";

    /// <summary>Reads a maildir as Dovecot sees it.</summary>
    public Task<Tool> FetchAsync(string maildir, string fields, params string[] query) =>
        Tool.RunAsync("doveadm", ["-c", Path.Combine(Folder, "dovecot.conf"), "-o", $"mail_location=maildir:{maildir}:INDEX=MEMORY", "fetch", fields, .. query],
            environment: new Dictionary<string, string> { ["USER"] = "reader", ["HOME"] = Folder });

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            using Process kill = Process.Start("kill", ["-TERM", $"{_process.Id}"]);
            await kill.WaitForExitAsync(CancellationToken.None);
            try
            {
                await _process.WaitForExitAsync(CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(20));
            }
            catch (TimeoutException)
            {
                _process.Kill(entireProcessTree: true);
            }
        }

        _process.Dispose();
    }
}
