using System.Net;
using System.Net.Sockets;
using DnsClient;
using DnsClient.Protocol;
using Microsoft.Extensions.Logging;

namespace Posthouse.Server.Naming;

/// <summary>
/// The DNS by way of the configured servers or the system's, over UDP and, for long answers, TCP. The hosts file comes
/// first. Answers are kept as long as they allow, within bounds; failures for a moment, so that a dead server does not
/// hold up every client anew.
/// </summary>
public sealed class Resolver : IResolver
{
    private const int CacheCapacity = 10_000;

    private static readonly TimeSpan s_longestKept = TimeSpan.FromHours(1);
    private static readonly TimeSpan s_longestAbsenceKept = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan s_failureKept = TimeSpan.FromSeconds(10);

    private readonly LookupClient _client;
    private readonly HostsFile _hosts;
    private readonly AnswerCache _cache;
    private readonly ILogger _logger;

    /// <summary>
    /// Asks <paramref name="servers"/>, one after the other, giving each <paramref name="patience"/> (default 2 s), twice; null or none means
    /// those of /etc/resolv.conf.
    /// </summary>
    public Resolver(IReadOnlyList<IPEndPoint>? servers, HostsFile hosts, TimeProvider time, ILogger logger, TimeSpan? patience = null)
    {
        IReadOnlyList<IPEndPoint> asked = servers is { Count: > 0 } ? servers : ResolverFile.Read();
        _client = new LookupClient(new LookupClientOptions([.. asked])
        {
            UseCache = false,
            ThrowDnsErrors = false,
            ContinueOnDnsError = true,
            ContinueOnEmptyResponse = false,
            UseTcpFallback = true,
            UseRandomNameServer = false,
            Recursion = true,
            EnableAuditTrail = false,
            // An answer that no path has to fragment (dnsflagday.net/2020).
            ExtendedDnsBufferSize = 1232,
            Retries = 1,
            Timeout = patience ?? TimeSpan.FromSeconds(2),
        });
        _hosts = hosts;
        _cache = new AnswerCache(CacheCapacity, time);
        _logger = logger;
    }

    /// <inheritdoc/>
    public ValueTask<DnsAnswer<string>> FindNamesAsync(IPAddress address, CancellationToken cancellation = default)
    {
        if (_hosts.NamesOf(address) is { Count: > 0 } names)
            return new(DnsAnswer<string>.Found(names));
        return AskAsync(
            address.GetArpaName().TrimEnd('.').ToLowerInvariant(), QueryType.PTR,
            static record => record is PtrRecord pointer && pointer.PtrDomainName.Value.TrimEnd('.') is var name && HostsFile.IsHostName(name) ? name : null,
            cancellation);
    }

    /// <inheritdoc/>
    public ValueTask<DnsAnswer<IPAddress>> FindAddressesAsync(string host, AddressFamily family, CancellationToken cancellation = default)
    {
        string name = host.TrimEnd('.').ToLowerInvariant();
        if (!HostsFile.IsHostName(name))
            return new(DnsAnswer<IPAddress>.None(DnsStatus.NoSuchName));
        if (_hosts.AddressesOf(name) is { Count: > 0 } known)
        {
            IPAddress[] ofFamily = [.. known.Where(address => address.AddressFamily == family)];
            return new(ofFamily.Length > 0 ? DnsAnswer<IPAddress>.Found(ofFamily) : DnsAnswer<IPAddress>.None(DnsStatus.NoRecords));
        }
        return AskAsync(
            name, family == AddressFamily.InterNetworkV6 ? QueryType.AAAA : QueryType.A,
            static record => (record as AddressRecord)?.Address, cancellation);
    }

    private ValueTask<DnsAnswer<T>> AskAsync<T>(string name, QueryType type, Func<DnsResourceRecord, T?> pick, CancellationToken cancellation)
        where T : class
    {
        AnswerCache.Question question = new(name, type);
        return _cache.Find(question) is DnsAnswer<T> kept ? new(kept) : new(AskServersAsync(question, pick, cancellation));
    }

    private async Task<DnsAnswer<T>> AskServersAsync<T>(AnswerCache.Question question, Func<DnsResourceRecord, T?> pick, CancellationToken cancellation)
        where T : class
    {
        DnsAnswer<T> answer;
        TimeSpan keep;
        try
        {
            IDnsQueryResponse response = await _client.QueryAsync(question.Name, question.Type, QueryClass.IN, cancellation);
            (answer, keep) = Read(response, pick);
        }
        catch (Exception error) when (error is DnsResponseException or SocketException or IOException or ArgumentException)
        {
            (answer, keep) = (DnsAnswer<T>.None(DnsStatus.Failed, error.Message), s_failureKept);
        }
        catch (OperationCanceledException)
        {
            // The caller's patience ended, which says little about the name.
            return DnsAnswer<T>.None(DnsStatus.Failed, "timed out");
        }
        if (answer.Status == DnsStatus.Failed)
            NamingLog.QuestionFailed(_logger, question.Type.ToString(), question.Name, answer.Problem);
        _cache.Keep(question, answer, keep);
        return answer;
    }

    private static (DnsAnswer<T> Answer, TimeSpan Keep) Read<T>(IDnsQueryResponse response, Func<DnsResourceRecord, T?> pick)
        where T : class
    {
        switch (response.Header.ResponseCode)
        {
            case DnsHeaderResponseCode.NotExistentDomain:
                return (DnsAnswer<T>.None(DnsStatus.NoSuchName), AbsenceKept(response));
            case DnsHeaderResponseCode.NoError:
                break;
            default:
                return (DnsAnswer<T>.None(DnsStatus.Failed, response.ErrorMessage), s_failureKept);
        }

        List<T> records = [];
        int timeToLive = int.MaxValue;
        foreach (DnsResourceRecord record in response.Answers)
        {
            // An alias on the way (CNAME) limits the answer as well.
            timeToLive = Math.Min(timeToLive, record.InitialTimeToLive);
            if (pick(record) is { } picked)
                records.Add(picked);
        }
        if (records.Count == 0)
            return (DnsAnswer<T>.None(DnsStatus.NoRecords), AbsenceKept(response));
        TimeSpan keep = TimeSpan.FromSeconds(Math.Max(timeToLive, 0));
        return (DnsAnswer<T>.Found(records), keep < s_longestKept ? keep : s_longestKept);
    }

    /// <summary>RFC 2308 5: the lesser of the SOA record's own time to live and its minimum.</summary>
    private static TimeSpan AbsenceKept(IDnsQueryResponse response)
    {
        if (response.Authorities.OfType<SoaRecord>().FirstOrDefault() is not { } authority)
            return s_failureKept;
        TimeSpan keep = TimeSpan.FromSeconds(Math.Min((uint)Math.Max(authority.InitialTimeToLive, 0), authority.Minimum));
        return keep < s_longestAbsenceKept ? keep : s_longestAbsenceKept;
    }
}
