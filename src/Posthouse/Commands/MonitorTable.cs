using System.Globalization;
using System.Text;

namespace Posthouse.Commands;

/// <summary>The table of <c>smtpctl monitor</c>: what changed since the last line, under a heading every 25 lines.</summary>
public sealed class MonitorTable
{
    private const int LinesUnderHeading = 25;

    private IReadOnlyDictionary<string, long> _last = new Dictionary<string, long>();
    private IReadOnlyDictionary<string, long> _now = new Dictionary<string, long>();
    private int _lines;

    /// <summary>The next line, with the heading before it where one is due, from all counters of the server.</summary>
    public string Next(IReadOnlyDictionary<string, long> counters)
    {
        (_last, _now) = (_lines == 0 ? counters : _now, counters);
        StringBuilder text = new();
        if (_lines % LinesUnderHeading == 0)
        {
            text.Append(_lines == 0 ? "" : "\n");
            text.Append("--- client ---  -- envelope --   ---- relay/delivery --- ------- misc -------\n");
            text.Append("curr conn disc  curr  enq  deq   ok tmpfail prmfail loop expire remove bounce\n");
        }
        _lines++;

        long connected = Change("smtp.connected");
        long sessions = Now("smtp.session");
        long envelopes = Now("scheduler.envelope");
        // An envelope leaves by one of these; what else changed the number came in.
        long left = Change("scheduler.delivery.ok") + Change("scheduler.delivery.permfail") + Change("scheduler.delivery.loop")
            + Change("scheduler.envelope.expired") + Change("scheduler.envelope.removed");
        text.Append(
            CultureInfo.InvariantCulture,
            $"{sessions,4} {connected,4} {connected - Change("smtp.session"),4}  {envelopes,4} {left + Change("scheduler.envelope"),4} {left,4} ");
        text.Append(
            CultureInfo.InvariantCulture,
            $"{Change("scheduler.delivery.ok"),4}    {Change("scheduler.delivery.tempfail"),4}    {Change("scheduler.delivery.permfail"),4} {Change("scheduler.delivery.loop"),4}   ");
        text.Append(
            CultureInfo.InvariantCulture,
            $"{Change("scheduler.envelope.expired"),4}   {Change("scheduler.envelope.removed"),4}   {Change("queue.bounce"),4}\n");
        return text.ToString();
    }

    /// <summary>Seconds as <c>1d2h3m4s</c>, without what is zero.</summary>
    public static string Duration(long seconds)
    {
        StringBuilder text = new();
        foreach ((long unit, char name) in ((long, char)[])[(86400, 'd'), (3600, 'h'), (60, 'm')])
        {
            if (seconds >= unit)
            {
                text.Append(CultureInfo.InvariantCulture, $"{seconds / unit}{name}");
                seconds %= unit;
            }
        }
        if (seconds > 0 || text.Length == 0)
            text.Append(CultureInfo.InvariantCulture, $"{seconds}s");
        return text.ToString();
    }

    private long Now(string name) => _now.GetValueOrDefault(name);

    private long Change(string name) => Now(name) - _last.GetValueOrDefault(name);
}
