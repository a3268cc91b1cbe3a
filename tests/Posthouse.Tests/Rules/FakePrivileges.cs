using System.Net;
using Posthouse.Plugs;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Tests.Rules;

/// <summary>Answers .forward files from memory; nothing else is asked of it here.</summary>
internal sealed class FakePrivileges : IPrivileges
{
    public Dictionary<string, ForwardFile> Forwards { get; } = [];

    public ValueTask<ForwardFile> ReadForwardAsync(UserAccount account, CancellationToken cancellation) =>
        new(Forwards.GetValueOrDefault(account.Name, ForwardFile.Absent));

    public ValueTask<ListenResult> ListenAsync(EndPoint endPoint, CancellationToken cancellation) => throw new InvalidOperationException();

    public ValueTask<PasswordVerdict> CheckPasswordAsync(string user, string password, CancellationToken cancellation) => throw new InvalidOperationException();

    public ValueTask<DeliveryResult> DeliverToFileAsync(FileDelivery delivery, CancellationToken cancellation) => throw new InvalidOperationException();

    public ValueTask<DeliveryStart> StartDeliveryAsync(Envelope envelope, CancellationToken cancellation) => throw new InvalidOperationException();
}
