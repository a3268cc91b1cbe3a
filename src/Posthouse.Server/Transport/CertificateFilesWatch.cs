using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Transport.Keys;

namespace Posthouse.Server.Transport;

// Certificate and key are replaced one after the other, by a rename or in place, so a pair that does not belong together is
// nothing unusual: what was in force stays, and both are read again when either has changed once more. The stamps are
// taken before the files are read; what changes in between is seen the next time.

/// <summary>
/// Reads the files of certificates and authorities, and again when they change; gives the keys to an <see cref="IKeyLoader"/>
/// as open files, and sees nothing of them itself. Not for two callers at once.
/// </summary>
internal sealed class CertificateFilesWatch
{
    /// <summary>How often to look.</summary>
    internal static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    /// <summary>How long a replaced key is kept for handshakes that began with it.</summary>
    internal static readonly TimeSpan KeyGrace = TimeSpan.FromMinutes(1);

    private const int MaxAuthorities = 4 << 20;

    private readonly Pki[] _pki;
    private readonly Authority[] _authorities;
    private readonly IKeyLoader _keys;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly List<(KeyId Key, long Since)> _replaced = [];

    /// <summary>Does nothing yet.</summary>
    internal CertificateFilesWatch(IEnumerable<CertificateFiles> pki, IEnumerable<AuthorityFile> authorities, IKeyLoader keys, TimeProvider time, ILogger logger)
    {
        _pki = [.. pki.Select(static files => new Pki(files))];
        _authorities = [.. authorities.Select(static file => new Authority(file))];
        _keys = keys;
        _time = time;
        _logger = logger;
    }

    /// <summary>All that is in force.</summary>
    internal CertificateTexts Current => new(
        [.. _pki.Where(static pki => pki.Text is not null).Select(static pki => new NamedPem(pki.Files.Name, pki.Text!))],
        [.. _authorities.Where(static authority => authority.Text is not null).Select(static authority => new NamedPem(authority.File.Name, authority.Text!))]);

    /// <summary>Reads everything for the first time; the first fault, with the name and the files in its detail.</summary>
    internal async Task<Fault?> OpenAsync(CancellationToken cancellation = default)
    {
        foreach (Pki pki in _pki)
            if (await TryAsync(pki, cancellation) is { } fault) return fault;
        foreach (Authority authority in _authorities)
            if (Try(authority) is { } fault) return fault;
        return null;
    }

    /// <summary>Looks for changes; what is new in force, or null when nothing is. What cannot be used is logged once.</summary>
    internal async Task<CertificateTexts?> PollAsync(CancellationToken cancellation = default)
    {
        List<NamedPem> changedPki = [], changedAuthorities = [];
        foreach (Pki pki in _pki)
        {
            if (!pki.IsDue(Stamp(pki.Files.CertificatePath), Stamp(pki.Files.KeyPath))) continue;
            (string? before, KeyId? key) = (pki.Text, pki.Key);
            Fault? fault = await TryAsync(pki, cancellation);
            if (fault is not null) Keep(pki, fault);
            if (fault is not null || (pki.Text == before && pki.Key == key)) continue;
            TransportLog.CertificateReplaced(_logger, pki.Files.Name);
            changedPki.Add(new(pki.Files.Name, pki.Text!));
            if (key is { } old && old != pki.Key) _replaced.Add((old, _time.GetTimestamp()));
        }
        foreach (Authority authority in _authorities)
        {
            if (authority.Stamp == Stamp(authority.File.Path)) continue;
            string? before = authority.Text;
            if (Try(authority) is { } fault) TransportLog.AuthoritiesKept(_logger, authority.File.Name, fault.Detail);
            else if (authority.Text != before)
            {
                TransportLog.AuthoritiesReplaced(_logger, authority.File.Name);
                changedAuthorities.Add(new(authority.File.Name, authority.Text!));
            }
        }
        await ForgetReplacedAsync(cancellation);
        return changedPki.Count + changedAuthorities.Count == 0 ? null : new(changedPki, changedAuthorities);
    }

    /// <summary>Gives all keys to a keys process that has been started anew. It may answer changes as <see cref="PollAsync"/> does.</summary>
    internal Task<CertificateTexts?> LoadAgainAsync(CancellationToken cancellation = default)
    {
        _replaced.Clear();
        foreach (Pki pki in _pki) pki.IsToBeTriedAgain = true;
        return PollAsync(cancellation);
    }

    /// <summary>Takes the place of another: keys that only that one needed are forgotten in time.</summary>
    internal void Succeed(CertificateFilesWatch before)
    {
        _replaced.AddRange(before._replaced);
        foreach (Pki pki in before._pki)
            if (pki.Key is { } key) _replaced.Add((key, _time.GetTimestamp()));
    }

    private async Task<Fault?> TryAsync(Pki pki, CancellationToken cancellation)
    {
        pki.Take(Stamp(pki.Files.CertificatePath), Stamp(pki.Files.KeyPath));
        (string? text, string? problem) = SmallFile.ReadText(pki.Files.CertificatePath, KeysProcess.MaxCertificates);
        if (text is null) return Faulty(pki, problem, pki.Files.CertificatePath);
        int error = SmallFile.Open(pki.Files.KeyPath, out SafeFileHandle? file);
        if (error != 0) return Faulty(pki, Errno.Text(error), pki.Files.KeyPath);
        using (file)
        {
            KeyLoad load = await _keys.LoadAsync(text, file!, cancellation);
            if (load.Id is { } id)
            {
                (pki.Text, pki.Key, pki.Problem) = (text, id, null);
                return null;
            }
            // No answer: that is not the files' fault.
            pki.IsToBeTriedAgain = !load.Fault!.IsPermanent;
            return Faulty(pki, load.Fault.Detail, $"{pki.Files.CertificatePath}, {pki.Files.KeyPath}");
        }
    }

    private Fault? Try(Authority authority)
    {
        authority.Stamp = Stamp(authority.File.Path);
        (string? text, string? problem) = SmallFile.ReadText(authority.File.Path, MaxAuthorities);
        if (text is not null)
        {
            try
            {
                X509Certificate2Collection parsed = [];
                parsed.ImportFromPem(text);
                if (parsed.Count == 0) problem = "there is no certificate in it";
            }
            catch (CryptographicException error)
            {
                problem = error.Message;
            }
        }
        if (problem is not null) return Fault.Temporary("TLS not available", $"{Prefix(authority.File.Position)}ca {authority.File.Name} ({authority.File.Path}): {problem}", 7);
        authority.Text = text;
        return null;
    }

    private static Fault Faulty(Pki pki, string? problem, string path) =>
        Fault.Temporary("TLS not available", $"{Prefix(pki.Files.Position)}pki {pki.Files.Name} ({path}): {problem}", 7);

    private static string Prefix(string? position) => position is null ? "" : $"{position}: ";

    private void Keep(Pki pki, Fault fault)
    {
        if (pki.Problem == fault.Detail) return;
        pki.Problem = fault.Detail;
        TransportLog.CertificateKept(_logger, pki.Files.Name, fault.Detail);
    }

    private async Task ForgetReplacedAsync(CancellationToken cancellation)
    {
        foreach ((KeyId key, long since) in _replaced.ToArray())
        {
            if (_time.GetElapsedTime(since) < KeyGrace) continue;
            _replaced.Remove((key, since));
            if (!_pki.Any(pki => pki.Key == key)) await _keys.ForgetAsync(key, cancellation);
        }
    }

    private static FileStatus Stamp(string path) => FileDescriptor.Status(path, out FileStatus status) == 0 ? status : default;

    private sealed class Pki(CertificateFiles files)
    {
        private (FileStatus Certificate, FileStatus Key) _stamps;

        public CertificateFiles Files { get; } = files;

        public string? Text { get; set; }

        public KeyId? Key { get; set; }

        /// <summary>What was logged last, so that it is not logged again.</summary>
        public string? Problem { get; set; }

        public bool IsToBeTriedAgain { get; set; }

        public bool IsDue(FileStatus certificate, FileStatus key) => IsToBeTriedAgain || _stamps != (certificate, key);

        public void Take(FileStatus certificate, FileStatus key) => (_stamps, IsToBeTriedAgain) = ((certificate, key), false);
    }

    private sealed class Authority(AuthorityFile file)
    {
        public AuthorityFile File { get; } = file;

        public FileStatus Stamp { get; set; }

        public string? Text { get; set; }
    }
}
