using System.Collections.Frozen;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Delivering.Local;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Queueing;

namespace Posthouse.Tests.Delivering.Local;

/// <summary>A queue in memory, a temporary home, and local delivery as the user who runs the test.</summary>
internal sealed class LocalSetup : IAsyncDisposable
{
    private ServerConfiguration _configuration;

    public LocalSetup(LocalMethod method, string? wrapper = null, string? wrapperCommand = null, TimeProvider? time = null)
    {
        Home = Directory.CreateTempSubdirectory("posthouse-local-").FullName;
        // Identity is not changed here; deliveries refuse an account that is root's, even then.
        uint uid = SystemAccounts.IsRoot ? 65534 : SystemAccounts.EffectiveUser;
        Account = new("tester", uid, uid, Home);
        _configuration = new()
        {
            Actions = Actions(new() { Name = "local", Method = method, Wrapper = wrapper }),
            Wrappers = wrapper is null ? FrozenDictionary<string, string>.Empty : new Dictionary<string, string> { [wrapper] = wrapperCommand! }.ToFrozenDictionary(),
        };
        Settings = new()
        {
            Configuration = () => _configuration,
            Accounts = (_, user, _) => new(new AccountAnswer(user == "tester" ? Account : Others.GetValueOrDefault(user))),
            Sources = async (_, _) =>
            {
                await Gate.Task;
                return new(Entry);
            },
            Users = new(null, new("keys", 64001, 64001, "/"), null, null),
            HostName = "host.example",
            ChangesIdentity = false,
            FileThreads = 2,
        };
        Privileges = new(Settings, time ?? TimeProvider.System, NullLogger.Instance);
        Gate.SetResult();
        Queue = new MailQueue(new RamQueue(), new MailQueueOptions(), TimeProvider.System, NullLogger.Instance, new Counters());
    }

    private static FrozenDictionary<string, DeliveryAction> Actions(LocalAction action) => new Dictionary<string, DeliveryAction> { ["local"] = action }.ToFrozenDictionary();

    public string Home { get; }

    /// <summary>Users besides the tester.</summary>
    public Dictionary<string, UserAccount> Others { get; } = [];

    /// <summary>What reading a source waits for.</summary>
    public TaskCompletionSource Gate { get; set; } = new();

    /// <summary>Puts another method in force, as a reload does.</summary>
    public void Change(LocalMethod method)
    {
        _configuration = _configuration with { Actions = Actions(new() { Name = "local", Method = method }) };
        Privileges.ForgetConfiguration();
    }

    public UserAccount Account { get; }

    public LocalSettings Settings { get; }

    public InProcessPrivileges Privileges { get; }

    public MailQueue Queue { get; }

    /// <summary>What the envelope's source names.</summary>
    public string? Entry { get; set; }

    /// <summary>Puts a message into the queue.</summary>
    public async Task<Envelope> AcceptAsync(string message, string sender = "sender@example.org", string recipient = "tester@example.com",
        string? extension = null, string? source = null, string destination = "tester@example.com")
    {
        (QueueResult result, MessageWriter? writer) = await Queue.CreateMessageAsync();
        Assert.True(result.IsOk, result.Message);
        byte[] content = Encoding.UTF8.GetBytes(message);
        await writer!.WriteAsync(content, default);
        Envelope envelope = new()
        {
            Id = EnvelopeId.Draw(writer.Id),
            Kind = EnvelopeKind.Mda,
            Action = "local",
            Sender = sender,
            Recipient = recipient,
            Destination = destination,
            User = "tester",
            Extension = extension,
            Source = source,
            Size = content.Length,
            Created = 1,
            Expires = long.MaxValue,
        };
        writer.AddEnvelope(envelope);
        Assert.True((await writer.CommitAsync(default)).IsOk);
        return envelope;
    }

    public async Task<DeliveryResult> DeliverAsync(Envelope envelope) =>
        await new LocalDelivery(Queue, Privileges, Settings).DeliverAsync(envelope, TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        Privileges.Dispose();
        await Queue.DisposeAsync();
        Directory.Delete(Home, recursive: true);
    }
}
