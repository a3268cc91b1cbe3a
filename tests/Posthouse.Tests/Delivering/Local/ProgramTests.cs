using System.Globalization;
using System.Text;
using Microsoft.Extensions.Time.Testing;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Tests.Delivering.Local;

/// <summary>Programs that the parent runs and the engine feeds.</summary>
public class ProgramTests
{
    private const string Message = "Subject: x\r\n\r\nbody\r\n";

    private static async Task<IDeliveryProgram> StartAsync(LocalSetup setup)
    {
        DeliveryStart start = await setup.Privileges.StartDeliveryAsync(await setup.AcceptAsync(Message), TestContext.Current.CancellationToken);
        Assert.Null(start.Fault);
        return start.Program!;
    }

    private static int Child(LocalSetup setup) => int.Parse(File.ReadAllText(setup.Home + "/child"), CultureInfo.InvariantCulture);

    private static async Task RunsAsync(LocalSetup setup) =>
        await Eventually.TrueAsync(() => File.Exists(setup.Home + "/child") && File.ReadAllText(setup.Home + "/child").EndsWith('\n'), "the program runs");

    private static Task EndsAsync(LocalSetup setup)
    {
        int child = Child(setup);
        return Eventually.TrueAsync(() => !IsRunning(child), "the whole process group is killed");
    }

    private static bool IsRunning(int process)
    {
        try
        {
            return !File.ReadAllText($"/proc/{process}/stat").Contains(") Z ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    [Fact]
    public async Task Its_exit_and_the_end_of_its_output_come_back()
    {
        await using LocalSetup setup = new(new LocalMethod.Mda("cat > got; echo last; exit 42"));
        ProgramExit exit = await Task.Run(async () =>
        {
            using IDeliveryProgram program = await StartAsync(setup);
            Assert.True(program.Write("the message"u8));
            return program.Finish();
        });
        Assert.Equal((42, 0, false, "last\n"), (exit.Code, exit.Signal, exit.TimedOut, Encoding.ASCII.GetString(exit.Output)));
        Assert.Equal("the message", File.ReadAllText(setup.Home + "/got"));
    }

    [Fact]
    public async Task At_its_deadline_the_parent_kills_it_and_what_it_started()
    {
        FakeTimeProvider time = new();
        await using LocalSetup setup = new(new LocalMethod.Mda("sleep 600 & echo $! > child; wait"), time: time);
        using IDeliveryProgram program = await StartAsync(setup);
        Task<ProgramExit> finish = Task.Factory.StartNew(program.Finish, TaskCreationOptions.LongRunning);
        await RunsAsync(setup);
        // Not yet the limit of the engine, which is longer.
        time.Advance(setup.Settings.ProgramLimit + TimeSpan.FromSeconds(1));
        ProgramExit exit = await finish.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal((9, true), (exit.Signal, exit.TimedOut));
        await EndsAsync(setup);
    }

    [Fact]
    public async Task Given_up_by_the_engine_it_is_killed_with_what_it_started()
    {
        await using LocalSetup setup = new(new LocalMethod.Mda("sleep 600 & echo $! > child; wait"));
        using (await StartAsync(setup)) await RunsAsync(setup);
        await EndsAsync(setup);
    }

    [Fact]
    public async Task Killed_by_the_engine_it_says_so()
    {
        await using LocalSetup setup = new(new LocalMethod.Mda("sleep 600 & echo $! > child; wait"));
        using IDeliveryProgram program = await StartAsync(setup);
        await RunsAsync(setup);
        Task<ProgramExit> finish = Task.Factory.StartNew(program.Finish, TaskCreationOptions.LongRunning);
        program.Kill();
        ProgramExit exit = await finish.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal((9, false), (exit.Signal, exit.TimedOut));
        await EndsAsync(setup);
    }

    [Fact]
    public async Task When_the_deliveries_of_an_engine_end_so_do_its_programs()
    {
        await using LocalSetup setup = new(new LocalMethod.Mda("sleep 600 & echo $! > child; wait"));
        using IDeliveryProgram program = await StartAsync(setup);
        await RunsAsync(setup);
        setup.Privileges.Deliveries.Dispose();
        await EndsAsync(setup);
    }

    // The end of its input is how a program knows that a message is complete.
    [Fact]
    public async Task An_engine_that_dies_in_the_middle_of_a_message_does_not_end_it()
    {
        await using LocalSetup setup = new(new LocalMethod.Mda("echo $$ > child; cat > got; echo complete > complete"));
        using (IDeliveryProgram program = await StartAsync(setup))
        {
            Assert.True(program.Write("half a mess"u8));
            await RunsAsync(setup);
        }
        await EndsAsync(setup);
        Assert.False(File.Exists(setup.Home + "/complete"));
    }

    [Fact]
    public async Task A_source_that_names_a_file_starts_nothing()
    {
        await using LocalSetup setup = new(new LocalMethod.Maildir());
        setup.Entry = setup.Home + "/archive";
        Envelope envelope = await setup.AcceptAsync(Message, source: "forward:tester:0");
        Assert.Same(DeliveryStart.IsFile, await setup.Privileges.StartDeliveryAsync(envelope, TestContext.Current.CancellationToken));
        Assert.Equal(DeliveryOutcome.Delivered, (await setup.DeliverAsync(envelope)).Outcome);
        setup.Entry = "|cat > " + setup.Home + "/piped";
        Assert.Equal(DeliveryOutcome.Delivered, (await setup.DeliverAsync(envelope)).Outcome);
        Assert.EndsWith("body\n", File.ReadAllText(setup.Home + "/piped"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_leaves_no_core_and_has_a_thousand_files()
    {
        await using LocalSetup setup = new(new LocalMethod.Mda("cat > message; ulimit -c > core; ulimit -Sn > files"));
        Assert.Equal(DeliveryOutcome.Delivered, (await setup.DeliverAsync(await setup.AcceptAsync(Message))).Outcome);
        Assert.Equal("0\n", File.ReadAllText(setup.Home + "/core"));
        Assert.InRange(int.Parse(File.ReadAllText(setup.Home + "/files"), CultureInfo.InvariantCulture), 1, 1024);
    }

    [Theory]
    [InlineData("printf '%%s' %{sender:raw} > got")]
    [InlineData("printf '%%s' \"$(printf '%%s' %{sender:raw})\" > got")]
    public async Task A_raw_value_reaches_no_shell(string command)
    {
        const string Evil = "`touch pwned`$(touch pwned);touch${IFS}pwned@example.org";
        await using LocalSetup setup = new(new LocalMethod.Mda("cat > message; " + command));
        Assert.Equal(DeliveryOutcome.Delivered, (await setup.DeliverAsync(await setup.AcceptAsync(Message, sender: Evil))).Outcome);
        Assert.Equal(Evil, File.ReadAllText(setup.Home + "/got"));
        Assert.False(File.Exists(setup.Home + "/pwned"));
    }

    [Fact]
    public async Task An_engine_that_names_an_option_gets_no_program()
    {
        await using LocalSetup setup = new(new LocalMethod.Mda("/bin/echo %{sender}"));
        DeliveryResult result = await setup.DeliverAsync(await setup.AcceptAsync(Message, sender: "-e@example.org"));
        Assert.Equal(DeliveryOutcome.Permanent, result.Outcome);
        Assert.Contains("would be an option", result.Text, StringComparison.Ordinal);
    }
}
