using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Posthouse.Tests.Naming;

/// <summary>
/// A DNS server with a scripted zone on loopback, UDP and TCP, by default on a free port. Unknown names are answered NXDOMAIN with a
/// SOA record (minimum 60 s). Nothing is asked elsewhere.
/// </summary>
public sealed class DnsTestServer : IAsyncDisposable
{
    private const int TypeSoa = 6;

    private readonly ConcurrentDictionary<string, ConcurrentQueue<Record>> _zone = new(StringComparer.OrdinalIgnoreCase);
    private readonly ConcurrentDictionary<string, Behaviour> _behaviours = new(StringComparer.OrdinalIgnoreCase);
    private readonly CancellationTokenSource _stop = new();
    private readonly Socket _udp;
    private readonly Socket _tcp;
    private readonly Task[] _loops;
    private int _questions;

    public DnsTestServer(IPEndPoint? place = null)
    {
        (_udp, _tcp) = place is null ? BindBoth() : Bind(place);
        EndPoint = (IPEndPoint)_udp.LocalEndPoint!;
        _loops = [Task.Run(AnswerDatagramsAsync), Task.Run(AnswerStreamsAsync)];
    }

    /// <summary>What a name does instead of answering.</summary>
    public enum Behaviour
    {
        /// <summary>Nothing is answered.</summary>
        Silent,

        /// <summary>SERVFAIL.</summary>
        Fail,

        /// <summary>The answer over UDP is cut, so that it must be fetched by TCP.</summary>
        Truncate,
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint EndPoint { get; }

    /// <summary>Questions received so far.</summary>
    public int Questions => Volatile.Read(ref _questions);

    /// <summary>Adds a record: type A, AAAA, PTR, CNAME, MX (<c>10 host</c>) or TXT. For PTR the name may be an address.</summary>
    public DnsTestServer Add(string name, string type, string value, int timeToLive = 300)
    {
        if (type == "PTR" && IPAddress.TryParse(name, out IPAddress? address))
            name = ReverseName(address);
        byte[] data = type switch
        {
            "A" or "AAAA" => IPAddress.Parse(value).GetAddressBytes(),
            "PTR" or "CNAME" => EncodeName(value),
            "MX" => [.. BigEndian(ushort.Parse(value.Split(' ')[0], null)), .. EncodeName(value.Split(' ')[1])],
            "TXT" => [(byte)value.Length, .. Encoding.ASCII.GetBytes(value)],
            _ => throw new ArgumentException(type),
        };
        int number = type switch { "A" => 1, "CNAME" => 5, "PTR" => 12, "MX" => 15, "TXT" => 16, _ => 28 };
        _zone.GetOrAdd(name, static _ => new()).Enqueue(new Record(number, timeToLive, data));
        return this;
    }

    /// <summary>Makes questions for a name (for PTR perhaps an address) go wrong.</summary>
    public DnsTestServer Misbehave(string name, Behaviour behaviour)
    {
        _behaviours[IPAddress.TryParse(name, out IPAddress? address) ? ReverseName(address) : name] = behaviour;
        return this;
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        _zone.Clear();
        _behaviours.Clear();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _udp.Dispose();
        _tcp.Dispose();
        await Task.WhenAll(_loops);
        _stop.Dispose();
    }

    private static (Socket, Socket) BindBoth()
    {
        while (true)
        {
            try
            {
                return Bind(new IPEndPoint(IPAddress.Loopback, 0));
            }
            catch (SocketException)
            {
                // Somebody has the same port for TCP; the next one will do.
            }
        }
    }

    private static (Socket, Socket) Bind(IPEndPoint place)
    {
        Socket udp = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp), tcp = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            udp.Bind(place);
            tcp.Bind(udp.LocalEndPoint!);
            tcp.Listen();
            return (udp, tcp);
        }
        catch (SocketException)
        {
            udp.Dispose();
            tcp.Dispose();
            throw;
        }
    }

    private static string ReverseName(IPAddress address)
    {
        byte[] bytes = address.GetAddressBytes();
        return address.AddressFamily == AddressFamily.InterNetwork
            ? string.Join('.', bytes.Reverse()) + ".in-addr.arpa"
            : string.Join('.', Convert.ToHexStringLower(bytes).Reverse()) + ".ip6.arpa";
    }

    private async Task AnswerDatagramsAsync()
    {
        byte[] buffer = new byte[4096];
        try
        {
            while (true)
            {
                SocketReceiveFromResult received = await _udp.ReceiveFromAsync(buffer, SocketFlags.None, new IPEndPoint(IPAddress.Any, 0), _stop.Token);
                if (Answer(buffer.AsSpan(0, received.ReceivedBytes), isUdp: true) is { } answer)
                    await _udp.SendToAsync(answer, SocketFlags.None, received.RemoteEndPoint, _stop.Token);
            }
        }
        catch (Exception error) when (error is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            Assert.True(_stop.IsCancellationRequested, error.ToString());
        }
    }

    private async Task AnswerStreamsAsync()
    {
        try
        {
            while (true)
            {
                using Socket client = await _tcp.AcceptAsync(_stop.Token);
                await using NetworkStream stream = new(client);
                byte[] length = new byte[2];
                await stream.ReadExactlyAsync(length, _stop.Token);
                byte[] question = new byte[BinaryPrimitives.ReadUInt16BigEndian(length)];
                await stream.ReadExactlyAsync(question, _stop.Token);
                if (Answer(question, isUdp: false) is { } answer)
                    await stream.WriteAsync((byte[])[.. BigEndian((ushort)answer.Length), .. answer], _stop.Token);
            }
        }
        catch (Exception error) when (error is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            Assert.True(_stop.IsCancellationRequested, error.ToString());
        }
    }

    private byte[]? Answer(ReadOnlySpan<byte> question, bool isUdp)
    {
        Interlocked.Increment(ref _questions);
        int position = 12;
        StringBuilder name = new();
        while (question[position] is > 0 and var length)
        {
            name.Append(name.Length > 0 ? "." : "").Append(Encoding.ASCII.GetString(question.Slice(position + 1, length)));
            position += length + 1;
        }
        int type = BinaryPrimitives.ReadUInt16BigEndian(question[(position + 1)..]);
        ReadOnlySpan<byte> asked = question[12..(position + 5)];

        Behaviour? behaviour = _behaviours.TryGetValue(name.ToString(), out Behaviour found) ? found : null;
        if (behaviour == Behaviour.Silent)
            return null;
        List<byte> answers = [], authority = [];
        int count = 0, authorities = 0, code = 0;
        bool isCut = behaviour == Behaviour.Truncate && isUdp;
        if (behaviour == Behaviour.Fail)
        {
            code = 2;
        }
        else if (!isCut)
        {
            string owner = name.ToString();
            // At most one alias is followed, in the same answer, as resolvers do.
            if (_zone.TryGetValue(owner, out ConcurrentQueue<Record>? records) && records.FirstOrDefault(static record => record.Type == 5) is { } alias && type != 5)
            {
                Write(answers, owner, alias);
                count++;
                owner = DecodeName(alias.Data);
                _zone.TryGetValue(owner, out records);
            }
            if (records is null)
                code = 3;
            foreach (Record record in records?.Where(record => record.Type == type) ?? [])
            {
                Write(answers, owner, record);
                count++;
            }
            if (count == 0)
            {
                byte[] soa = [.. EncodeName("ns.test"), .. EncodeName("root.test"), .. new byte[16], 0, 0, 0, 60];
                Write(authority, "test", new Record(TypeSoa, 300, soa));
                authorities = 1;
            }
        }
        return
        [
            question[0], question[1], (byte)(0x81 | (isCut ? 2 : 0)), (byte)(0x80 | code), 0, 1, 0, (byte)count, 0, (byte)authorities, 0, 0,
            .. asked, .. answers, .. authority,
        ];
    }

    private static void Write(List<byte> output, string owner, Record record)
    {
        output.AddRange(EncodeName(owner));
        output.AddRange(BigEndian((ushort)record.Type));
        output.AddRange(BigEndian(1));
        byte[] timeToLive = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(timeToLive, record.TimeToLive);
        output.AddRange(timeToLive);
        output.AddRange(BigEndian((ushort)record.Data.Length));
        output.AddRange(record.Data);
    }

    private static byte[] BigEndian(ushort value) => [(byte)(value >> 8), (byte)value];

    private static byte[] EncodeName(string name)
    {
        List<byte> bytes = [];
        foreach (string label in name.Split('.', StringSplitOptions.RemoveEmptyEntries))
        {
            bytes.Add((byte)label.Length);
            bytes.AddRange(Encoding.Latin1.GetBytes(label));
        }
        bytes.Add(0);
        return [.. bytes];
    }

    private static string DecodeName(byte[] data)
    {
        StringBuilder name = new();
        for (int position = 0; data[position] > 0; position += data[position] + 1)
            name.Append(name.Length > 0 ? "." : "").Append(Encoding.Latin1.GetString(data, position + 1, data[position]));
        return name.ToString();
    }

    private sealed record Record(int Type, int TimeToLive, byte[] Data);
}
