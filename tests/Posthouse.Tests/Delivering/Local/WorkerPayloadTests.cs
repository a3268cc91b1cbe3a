using CsCheck;
using Posthouse.Server.Delivering.Local;
using Posthouse.Server.Model;

namespace Posthouse.Tests.Delivering.Local;

public class WorkerPayloadTests
{
    [Fact]
    public void Targets_and_results_come_back_as_they_went()
    {
        foreach (FileTarget target in (FileTarget[])
        [
            new FileTarget.Maildir("/home/ü/Maildir", "tag", true), new FileTarget.Maildir("/m", null, false),
            new FileTarget.Mbox("/var/mail/user", true), new FileTarget.Mbox("/var/mail/user", true, true), new FileTarget.Mbox("/f", false),
        ])
            Assert.Equal(target, WorkerPayload.ReadTarget(WorkerPayload.Of(target)));
        foreach (DeliveryResult result in (DeliveryResult[])[DeliveryResult.Delivered(), DeliveryResult.Temporary("full", 2, 2), DeliveryResult.Permanent("gone", 1, 1)])
            Assert.Equal(result, WorkerPayload.ReadResult(WorkerPayload.Of(result)));
    }

    [Fact]
    public void The_place_of_a_message_comes_back_as_it_went()
    {
        byte[] place = new byte[WorkerPayload.PlaceLength("ü@example.org") + 3];
        WorkerPayload.PlaceOf(place, 42, "ü@example.org");
        Assert.True(WorkerPayload.TryReadPlace(place, out int target, out string sender, out int length));
        Assert.Equal((42, "ü@example.org", place.Length - 3), (target, sender, length));
    }

    [Theory]
    [InlineData("a\nFrom b@example.org")]
    [InlineData("a\u007f")]
    [InlineData("\0")]
    public void A_sender_with_a_control_character_is_refused(string sender)
    {
        byte[] place = new byte[WorkerPayload.PlaceLength(sender)];
        WorkerPayload.PlaceOf(place, 1, sender);
        Assert.False(WorkerPayload.TryReadPlace(place, out _, out _, out _));
    }

    [Fact]
    public void A_result_is_one_line_whatever_failed() =>
        Assert.Equal("a b", WorkerPayload.ReadResult(WorkerPayload.Of(DeliveryResult.Temporary("a\nb")))!.Text);

    [Fact]
    public void Any_bytes_are_read_or_refused() => Gen.Byte.Array[0, 60].Sample(bytes =>
    {
        if (WorkerPayload.ReadTarget(bytes) is { } target) Assert.Equal(target, WorkerPayload.ReadTarget(WorkerPayload.Of(target)));
        if (WorkerPayload.ReadResult(bytes) is { } result) Assert.Equal(result, WorkerPayload.ReadResult(WorkerPayload.Of(result)));
        if (WorkerPayload.TryReadPlace(bytes, out _, out _, out int length)) Assert.InRange(length, 6, bytes.Length);
    });
}
