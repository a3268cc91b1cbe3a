using Microsoft.Extensions.Logging;
using Posthouse.Server.Configuration;
using Posthouse.Server.Model;
using Posthouse.Server.Transport;
using Posthouse.Server.Transport.Keys;

namespace Posthouse.Server.Hosting;

/// <summary>Certificates and keys of a server that is one process: their files are read, watched and signed by here.</summary>
internal sealed class LocalCertificates : IDisposable
{
    private readonly KeyTable _keys = new();
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private CertificateFilesWatch? _files;
    private ITimer? _timer;

    internal LocalCertificates(TimeProvider time, ILogger logger)
    {
        _time = time;
        _logger = logger;
        Store = new(_keys, logger);
    }

    /// <summary>What listeners take their certificates from.</summary>
    internal CertificateStore Store { get; }

    /// <summary>Reads all that the listeners of a configuration use, and watches that from now on; a fault leaves everything as it was.</summary>
    internal async Task<Fault?> UseAsync(ServerConfiguration configuration)
    {
        await _turn.WaitAsync();
        try
        {
            CertificateFilesWatch files = Watch(configuration);
            if (await files.OpenAsync() is { } fault) return fault;
            if (_files is not null) files.Succeed(_files);
            _files = files;
            Store.Update(files.Current);
            _timer ??= _time.CreateTimer(_ => _ = PollAsync(), null, CertificateFilesWatch.Interval, CertificateFilesWatch.Interval);
            return null;
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _timer?.Dispose();
        _keys.Dispose();
    }

    private CertificateFilesWatch Watch(ServerConfiguration configuration) => new(
        configuration.Listeners.SelectMany(static listener => listener.Pki).DistinctBy(static pki => pki.Name)
            .Select(static pki => new CertificateFiles(pki.Name, pki.CertificatePath, pki.KeyPath) { Position = pki.Position.ToString() }),
        configuration.Listeners.Select(static listener => listener.Authority).OfType<CaConfiguration>().DistinctBy(static ca => ca.Name)
            .Select(static ca => new AuthorityFile(ca.Name, ca.CertificatePath) { Position = ca.Position.ToString() }),
        _keys, _time, _logger);

    private async Task PollAsync()
    {
        if (!await _turn.WaitAsync(0)) return;
        try
        {
            if (await _files!.PollAsync() is { } changed) Store.Update(changed);
        }
        catch (Exception exception)
        {
            HostingLog.CertificatesUnwatched(_logger, exception);
        }
        finally
        {
            _turn.Release();
        }
    }
}
