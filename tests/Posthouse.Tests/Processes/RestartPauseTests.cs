using Posthouse.Server.Processes;

namespace Posthouse.Tests.Processes;

public class RestartPauseTests
{
    [Theory]
    [InlineData(0, 100)]
    [InlineData(30, 70)]
    [InlineData(100, 0)]
    [InlineData(100_000, 0)]
    public void What_started_well_is_started_again_ten_times_a_second_at_the_most(int lived, int pause) =>
        Assert.Equal(TimeSpan.FromMilliseconds(pause), RestartPause.After(TimeSpan.FromMilliseconds(lived)).Length);

    [Fact]
    public void What_does_not_start_is_tried_ever_more_rarely()
    {
        RestartPause pause = RestartPause.After(TimeSpan.FromHours(1));
        List<double> seconds = [];
        for (int i = 0; i < 11; i++)
        {
            pause = pause.AfterFailure();
            seconds.Add(pause.Length.TotalSeconds);
        }

        Assert.Equal([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30], seconds);
    }
}
