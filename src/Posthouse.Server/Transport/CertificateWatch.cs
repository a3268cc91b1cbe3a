using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Posthouse.Server.Model;

namespace Posthouse.Server.Transport;

/// <summary>
/// One certificate, read again when its files change. They are looked at when it is used, once a second at most; a new
/// pair that cannot be used leaves the old one in place, with one line in the log.
/// </summary>
internal sealed class CertificateWatch
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(1);

    private readonly CertificateFiles _files;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private ServerCertificate _current;
    private (Stamp Certificate, Stamp Key) _stamps;
    private long _lookedAt;

    private CertificateWatch(CertificateFiles files, ServerCertificate current, (Stamp, Stamp) stamps, TimeProvider time, ILogger logger)
    {
        _files = files;
        _current = current;
        _stamps = stamps;
        _time = time;
        _logger = logger;
        _lookedAt = time.GetTimestamp();
    }

    public static CertificateWatch? Open(CertificateFiles files, TimeProvider time, ILogger logger, out Fault? fault)
    {
        (Stamp, Stamp) stamps = Look(files);
        ServerCertificate? certificate = Load(files, out fault);
        return certificate is null ? null : new CertificateWatch(files, certificate, stamps, time, logger);
    }

    public ServerCertificate Current
    {
        get
        {
            if (_time.GetElapsedTime(Volatile.Read(ref _lookedAt)) >= s_interval)
                LookAgain();
            return Volatile.Read(ref _current);
        }
    }

    private void LookAgain()
    {
        // Whoever comes while another handshake looks takes what there is.
        if (!_lock.TryEnter())
            return;
        try
        {
            Volatile.Write(ref _lookedAt, _time.GetTimestamp());
            (Stamp, Stamp) stamps = Look(_files);
            if (stamps == _stamps)
                return;
            _stamps = stamps;
            if (Load(_files, out Fault? fault) is { } certificate)
            {
                Volatile.Write(ref _current, certificate);
                TransportLog.CertificateReplaced(_logger, _files.Name);
            }
            else
            {
                TransportLog.CertificateKept(_logger, _files.Name, fault!.Detail);
            }
        }
        finally
        {
            _lock.Exit();
        }
    }

    private static ServerCertificate? Load(CertificateFiles files, out Fault? fault)
    {
        try
        {
            fault = null;
            return ServerCertificate.FromPem(File.ReadAllText(files.CertificatePath), File.ReadAllText(files.KeyPath));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            fault = Fault.Temporary("TLS not available", $"pki {files.Name} ({files.CertificatePath}, {files.KeyPath}): {error.Message}", 7);
            return null;
        }
    }

    private static (Stamp, Stamp) Look(CertificateFiles files) => (Stamp.Of(files.CertificatePath), Stamp.Of(files.KeyPath));

    private readonly record struct Stamp(DateTime Written, long Length)
    {
        public static Stamp Of(string path)
        {
            FileInfo file = new(path);
            return file.Exists ? new Stamp(file.LastWriteTimeUtc, file.Length) : default;
        }
    }
}
