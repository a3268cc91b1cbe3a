using System.Collections.Frozen;
using System.Diagnostics;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Delivering.Local;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Server.Queueing;

namespace Posthouse.SystemTests.Support;

/// <summary>Local delivery by the real executable: as another user when the test runs as root, as ourselves otherwise.</summary>
internal sealed class LocalSite : IAsyncDisposable
{
    private readonly MailQueue _queue = new(new RamQueue(), new MailQueueOptions(), TimeProvider.System, NullLogger.Instance, new Counters());
    private readonly LocalDelivery _delivery;
    private readonly InProcessPrivileges _privileges;

    public LocalSite(LocalMethod method, TimeSpan? programLimit = null, string? wrapper = null, UserAccount? account = null)
    {
        Home = Directory.CreateTempSubdirectory("posthouse-site-").FullName;
        Account = account ?? Somebody(Home);
        Assert.Equal(0, FileDescriptor.ChangeOwner(Home, Account.Uid, Account.Gid));
        ServerConfiguration configuration = new()
        {
            Actions = new Dictionary<string, DeliveryAction> { ["local"] = new LocalAction { Name = "local", Method = method, Wrapper = wrapper is null ? null : "w" } }.ToFrozenDictionary(),
            Wrappers = wrapper is null ? FrozenDictionary<string, string>.Empty : new Dictionary<string, string> { ["w"] = wrapper }.ToFrozenDictionary(),
        };
        LocalSettings settings = new()
        {
            Configuration = () => configuration,
            Accounts = (_, _, _) => new(new AccountAnswer(Account)),
            Sources = (_, _) => new(new SourceAnswer(Entry)),
            Users = SystemAccounts.IsRoot ? new(null, null, null, Account) : ServerUsers.None,
            ProgramLimit = programLimit ?? TimeSpan.FromSeconds(30),
        };
        _privileges = new(settings, TimeProvider.System, NullLogger.Instance);
        _delivery = new(_queue, _privileges, settings);
    }

    /// <summary>The user's directory.</summary>
    public string Home { get; }

    /// <summary>The user delivered as.</summary>
    public UserAccount Account { get; }

    /// <summary>The processes that store messages.</summary>
    public IReadOnlyList<int> Workers => _privileges.Workers;

    /// <summary>What the envelope's source names.</summary>
    public string? Entry { get; set; }

    /// <summary>The content of a file in the user's directory.</summary>
    public string Read(string name) => File.ReadAllText(Path.Combine(Home, name));

    /// <summary>Accepts a message and tries once to deliver it.</summary>
    public async Task<DeliveryResult> DeliverAsync(
        string message = "Subject: x\r\n\r\nbody\r\n", string sender = "sender@example.org", string recipient = "rcpt+tag@example.com", string destination = "user@example.net", string? source = null)
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        (QueueResult created, MessageWriter? writer) = await _queue.CreateMessageAsync(cancellation);
        Assert.True(created.IsOk, created.Message);
        byte[] content = Encoding.UTF8.GetBytes(message);
        await writer!.WriteAsync(content, cancellation);
        Envelope envelope = new()
        {
            Id = EnvelopeId.Draw(writer.Id),
            Kind = EnvelopeKind.Mda,
            Action = "local",
            Sender = sender,
            Recipient = recipient,
            Destination = destination,
            User = Account.Name,
            Extension = "tag",
            Source = source,
            Size = content.Length,
            Created = 1,
            Expires = long.MaxValue,
        };
        writer.AddEnvelope(envelope);
        Assert.True((await writer.CommitAsync(cancellation)).IsOk);
        return await _delivery.DeliverAsync(envelope, cancellation);
    }

    /// <summary>What a command prints.</summary>
    public static string Run(string command, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(command, arguments) { RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output;
    }

    public async ValueTask DisposeAsync()
    {
        _delivery.Dispose();
        _privileges.Dispose();
        await _queue.DisposeAsync();
        Directory.Delete(Home, recursive: true);
    }

    private static UserAccount Somebody(string home) =>
        (SystemAccounts.IsRoot ? SystemAccounts.Find("nobody", out _) : SystemAccounts.Find(SystemAccounts.EffectiveUser, out _))! with { Home = home };
}
