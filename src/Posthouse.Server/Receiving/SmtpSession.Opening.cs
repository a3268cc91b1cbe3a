using System.Net;
using System.Text;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Model;
using Posthouse.Server.Naming;
using Posthouse.Server.Transport;
using Posthouse.Wire;

namespace Posthouse.Server.Receiving;

/// <summary>What happens before the banner, and at STARTTLS.</summary>
internal sealed partial class SmtpSession
{
    private async ValueTask<string> TurnAwayAsync(SessionAdmission admission)
    {
        SmtpReply reply = admission == SessionAdmission.AddressFull ? Replies.AddressFull : Replies.ServerFull;
        ReceivingLog.Refused(_services.Logger, _id, ClientText(), reply.Text);
        // Behind implicit TLS nothing can be said without the price of a handshake.
        return _profile.Tls == ListenerTls.Implicit ? "limit" : await EndAsync(reply, "limit");
    }

    private string ClientText() => _connection.Remote == null ? "local" : ReceivedHeader.Literal(_connection.Remote.Address);

    private async ValueTask<bool> ReadProxyHeaderAsync()
    {
        while (true)
        {
            if (!await FillAsync())
                return false;
            ProxyParseStatus status = ProxyHeader.ParseVersion2(_buffer.AsSpan(_start, _end - _start), out ProxyHeader header, out int consumed);
            if (status == ProxyParseStatus.Incomplete)
                continue;
            if (status == ProxyParseStatus.Malformed)
            {
                ReceivingLog.BadInput(_services.Logger, _id, "no PROXY v2 header");
                return false;
            }
            _start += consumed;
            if (header.Source != null)
                _connection.SetProxied(header.Source, header.Destination!);
            ReceivingLog.Proxied(_services.Logger, _id, ClientText());
            return true;
        }
    }

    private async ValueTask PrepareAsync()
    {
        string serverName = _profile.ServerName;
        if (_profile.Hostnames != null && _connection.Local is { } local)
        {
            TableResult found = await _profile.Hostnames.LookupAsync(TableService.AddrName, local.Address.ToString());
            if (found.IsFound && Wire.HostName.IsValidGreeting(Encoding.UTF8.GetBytes(found.Value ?? "")))
                serverName = found.Value!;
        }
        if (_connection.Remote is { } remote)
            await FindNameAsync(remote.Address);
        else
            (_reverseName, _confirmation) = (serverName, ForwardConfirmation.Pass);
        _dialogue = new SmtpDialogue(_profile, serverName, ClientText());
        if (_connection.Tls != null)
            _dialogue.Encrypted();
        ReceivingLog.Connected(_services.Logger, _id, _connection.Remote == null ? "local" : ReceivedHeader.Plain(_connection.Remote.Address), _reverseName);
        if (_connection.Tls != null)
            LogTls(_connection.Tls);
    }

    private async ValueTask FindNameAsync(IPAddress address)
    {
        bool isLoopback = IPAddress.IsLoopback(address);
        ReverseName name = _services.FindName is { } find
            ? await find(address, CancellationToken.None)
            : new(isLoopback ? "localhost" : null, isLoopback ? ForwardConfirmation.Pass : ForwardConfirmation.Fail);
        if (name.Name is { } text && Wire.HostName.IsValidGreeting(Encoding.UTF8.GetBytes(text)))
            (_reverseName, _confirmation) = (text.TrimEnd('.'), name.Confirmation);
        else if (name.Confirmation == ForwardConfirmation.Error)
            _confirmation = ForwardConfirmation.Error;
    }

    private async ValueTask<bool> StartTlsAsync(SmtpReply ready)
    {
        // After the 220 it would be too late to say so.
        if (_profile.TlsServer is { Threads.HasRoom: false })
        {
            Answer(Replies.TlsFull);
            return false;
        }
        Say(ready);
        if (!await FlushAsync())
            return false;
        // RFC 3207 section 4.2: what came behind the command may have been put there by somebody else.
        ReturnBuffer();
        if (!await UpgradeAsync())
            return false;
        _dialogue.Encrypted();
        LogTls(_connection.Tls!);
        ForgetTransaction();
        _filters?.LinkTls(_connection.Tls!.ToString());
        return true;
    }

    private async ValueTask<bool> UpgradeAsync()
    {
        if (_profile.TlsServer == null)
            throw new InvalidOperationException("a listener with TLS has certificates");
        Fault? fault = await _connection.UpgradeToTlsAsync(_profile.TlsServer, s_handshakeLimit);
        if (fault != null)
        {
            ReceivingLog.BadInput(_services.Logger, _id, $"{fault.PublicText}: {fault.Detail}");
            return false;
        }
        (_profile.Tls == ListenerTls.Implicit ? _receiver.ImplicitTls : _receiver.StartedTls).Add();
        return true;
    }

    private void LogTls(TlsInfo tls)
    {
        ReceivingLog.Encrypted(_services.Logger, _id, tls.ToString());
        if (tls.HasClientCertificate)
            ReceivingLog.CertificateChecked(_services.Logger, _id, tls.IsClientVerified ? "verified" : "unchecked", tls.ClientFingerprint ?? "");
    }
}
