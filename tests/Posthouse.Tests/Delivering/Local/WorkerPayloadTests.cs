using CsCheck;
using Posthouse.Server.Delivering.Local;
using Posthouse.Server.Model;

namespace Posthouse.Tests.Delivering.Local;

public class WorkerPayloadTests
{
    [Fact]
    public void Targets_and_results_come_back_as_they_went()
    {
        Check(new FileTarget.Maildir("/home/ü/Maildir", "tag", true));
        Check(new FileTarget.Maildir("/m", null, false));
        Check(new FileTarget.Mbox("/var/mail/user", "", true));
        Check(new FileTarget.Mbox("/f", "a@example.org", false));
        foreach (DeliveryResult result in (DeliveryResult[])[DeliveryResult.Delivered(), DeliveryResult.Temporary("full", 2, 2), DeliveryResult.Permanent("gone", 1, 1)])
            Assert.Equal(result, WorkerPayload.ReadResult(WorkerPayload.Of(result)));

        static void Check(FileTarget target)
        {
            ReadOnlySpan<byte> payload = (byte[])[.. WorkerPayload.Of(target), 1, 2];
            Assert.Equal(target, WorkerPayload.ReadTarget(ref payload));
            Assert.Equal(2, payload.Length);
        }
    }

    [Fact]
    public void Any_bytes_are_read_or_refused() => Gen.Byte.Array[0, 60].Sample(bytes =>
    {
        ReadOnlySpan<byte> payload = bytes;
        if (WorkerPayload.ReadTarget(ref payload) is { } target) Assert.Equal(target, Again(target));
        if (WorkerPayload.ReadResult(bytes) is { } result) Assert.Equal(result, WorkerPayload.ReadResult(WorkerPayload.Of(result)));

        static FileTarget? Again(FileTarget target)
        {
            ReadOnlySpan<byte> payload = WorkerPayload.Of(target);
            return WorkerPayload.ReadTarget(ref payload);
        }
    });
}
