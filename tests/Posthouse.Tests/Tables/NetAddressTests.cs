using System.Net;
using System.Numerics;
using CsCheck;
using Posthouse.Plugs;
using Posthouse.Server.Tables;

namespace Posthouse.Tests.Tables;

public sealed class NetAddressTests
{
    private static readonly Gen<IPAddress> s_address =
        Gen.OneOf(Gen.Byte.Array[4], Gen.Byte.Array[16]).Select(bytes => new IPAddress(bytes)).Where(address => !address.IsIPv4MappedToIPv6);

    private static bool Contains(string network, string address) =>
        new TableContent(TableKind.List, [new(network)]).Check(TableService.NetAddr, address).IsFound;

    [Theory]
    [InlineData("192.0.2.1", "192.0.2.1", true)]
    [InlineData("192.0.2.1", "192.0.2.2", false)]
    [InlineData("10.0.0.0/8", "10.255.1.2", true)]
    [InlineData("10/8", "10.1.1.1", true)]
    [InlineData("172.16/12", "172.31.0.1", true)]
    [InlineData("172.16/12", "172.32.0.1", false)]
    [InlineData("0.0.0.0/0", "8.8.8.8", true)]
    [InlineData("0.0.0.0/0", "::1", false)]
    [InlineData("::/0", "192.0.2.1", false)]
    [InlineData("::/0", "2001:db8::1", true)]
    [InlineData("2001:db8::/32", "2001:db8:1::2", true)]
    [InlineData("[2001:db8::]/32", "2001:db8:1::2", true)]
    [InlineData("[2001:db8::/32]", "[2001:db8:1::2]", true)]
    [InlineData("[IPv6:2001:db8::1]", "2001:db8::1", true)]
    [InlineData("2001:db8::1", "[IPv6:2001:db8::1]", true)]
    [InlineData("10.0.0.0/8", "::ffff:10.1.1.1", true)]
    [InlineData("::ffff:10.0.0.0/104", "10.1.1.1", true)]
    [InlineData("fe80::/10", "fe80::1%eth0", true)]
    [InlineData("local", "local", true)]
    [InlineData("local", "127.0.0.1", false)]
    [InlineData("0.0.0.0/0", "local", false)]
    public void Networks_hold_addresses(string network, string address, bool expected) => Assert.Equal(expected, Contains(network, address));

    [Theory]
    [InlineData("")]
    [InlineData("10")]
    [InlineData("010.0.0.1")]
    [InlineData("10.0.0.256")]
    [InlineData("10.0.0.0/33")]
    [InlineData("10.0.0.0/")]
    [InlineData("10.0.0.0/-1")]
    [InlineData("10.0.0.0/8/8")]
    [InlineData("::/129")]
    [InlineData("::ffff:10.0.0.0/8")]
    [InlineData("example.org")]
    [InlineData("[10.0.0.1")]
    [InlineData("0x7f.0.0.1")]
    public void Malformed_networks_are_refused_and_match_nothing(string text)
    {
        Assert.False(NetAddress.TryParseNetwork(text, out _, out _));
        TableContent content = new(TableKind.List, [new(text)]);
        Assert.Single(content.Problems(TableService.NetAddr));
        Assert.False(content.Check(TableService.NetAddr, "10.0.0.1").IsFound);
    }

    [Fact]
    public void Prefixes_agree_with_arithmetic() =>
        Gen.Select(s_address, s_address, Gen.Int[0, 128]).Sample((network, address, length) =>
        {
            byte[] net = network.GetAddressBytes(), ip = address.GetAddressBytes();
            int prefix = Math.Min(length, net.Length * 8);
            // Half of the addresses share the network's first bits, or hardly any would match.
            if (ip.Length == net.Length && length % 2 == 0)
                net.AsSpan(0, prefix / 8).CopyTo(ip);
            BigInteger shift = BigInteger.Pow(2, net.Length * 8 - prefix);
            bool expected = ip.Length == net.Length && Number(net) / shift == Number(ip) / shift;
            return Contains($"{network}/{prefix}", new IPAddress(ip).ToString()) == expected;
        });

    [Fact]
    public void The_narrowest_network_wins()
    {
        TableContent content = new(TableKind.Mapping, [new("10.0.0.0/8", "wide"), new("10.1.0.0/16", "narrow"), new("10.1.1.1", "one")]);
        Assert.Equal("one", content.Lookup(TableService.NetAddr, "10.1.1.1").Value);
        Assert.Equal("narrow", content.Lookup(TableService.NetAddr, "10.1.1.2").Value);
        Assert.Equal("wide", content.Lookup(TableService.NetAddr, "10.2.1.2").Value);
    }

    private static BigInteger Number(byte[] bytes) => new(bytes, isUnsigned: true, isBigEndian: true);
}
