using Microsoft.Extensions.Time.Testing;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;
using Posthouse.Server.Transport;
using Posthouse.Server.Transport.Keys;
using Posthouse.Tests.Delivering;
using Posthouse.Tests.Transport.Keys;

namespace Posthouse.Tests.Transport;

public sealed class CertificateFilesWatchTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("posthouse-pki-").FullName;
    private readonly FakeTimeProvider _time = new();
    private readonly RecordingLogger _log = new();
    private readonly KeyTable _table = new();
    private readonly Keys _keys;
    private readonly TestKeyPair _first = TestKeyPair.Make("P-256");
    private readonly TestKeyPair _second = TestKeyPair.Make("P-256");

    public CertificateFilesWatchTests() => _keys = new(_table);

    private string CertificatePath => Path.Combine(_directory, "mx.crt");

    private string KeyPath => Path.Combine(_directory, "mx.key");

    private string AuthorityPath => Path.Combine(_directory, "ca.crt");

    public void Dispose()
    {
        _table.Dispose();
        Directory.Delete(_directory, true);
    }

    [Fact]
    public async Task What_does_not_change_is_read_once()
    {
        CertificateFilesWatch watch = await OpenAsync();
        Assert.Equal(new NamedPem("mx", _first.CertificatePem), Assert.Single(watch.Current.Pki));
        Assert.Equal(new NamedPem("clients", _second.CertificatePem), Assert.Single(watch.Current.Authorities));
        for (int i = 0; i < 3; i++) Assert.Null(await watch.PollAsync());
        Assert.Equal(1, _keys.Loads);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_pair_replaced_one_after_the_other_is_used_when_it_is_whole(bool certificateFirst)
    {
        CertificateFilesWatch watch = await OpenAsync();
        if (certificateFirst) Replace(CertificatePath, _second.CertificatePem);
        else Replace(KeyPath, _second.KeyPem);
        Assert.Null(await watch.PollAsync());
        Assert.Null(await watch.PollAsync());
        Assert.Equal(_first.CertificatePem, watch.Current.Pki[0].Pem);
        Assert.Contains("do not belong together", Assert.Single(_log.Lines));
        Assert.Contains(KeyPath, _log.Lines[0]);

        if (certificateFirst) Replace(KeyPath, _second.KeyPem);
        else Replace(CertificatePath, _second.CertificatePem);
        CertificateTexts? changed = await watch.PollAsync();
        Assert.Equal(new NamedPem("mx", _second.CertificatePem), Assert.Single(changed!.Pki));
        Assert.Empty(changed.Authorities);
        Assert.Equal("pki mx: certificate changed, using the new one", _log.Lines[1]);
        Assert.Null(await watch.PollAsync());
    }

    [Fact]
    public async Task A_file_written_in_place_with_the_same_length_is_seen()
    {
        CertificateFilesWatch watch = await OpenAsync();
        File.WriteAllText(CertificatePath, _second.CertificatePem);
        File.WriteAllText(KeyPath, _second.KeyPem);
        File.SetLastWriteTimeUtc(KeyPath, File.GetLastWriteTimeUtc(KeyPath).AddTicks(10));
        Assert.NotNull(await watch.PollAsync());
    }

    [Fact]
    public async Task Files_that_are_gone_leave_the_old_ones_in_force()
    {
        CertificateFilesWatch watch = await OpenAsync();
        File.Delete(KeyPath);
        File.Delete(AuthorityPath);
        Assert.Null(await watch.PollAsync());
        Assert.Null(await watch.PollAsync());
        Assert.Equal(2, _log.Lines.Length);
        Assert.Single(watch.Current.Pki);
        Assert.Single(watch.Current.Authorities);
        File.WriteAllText(KeyPath, _first.KeyPem);
        File.WriteAllText(AuthorityPath, "half a fi");
        Assert.Null(await watch.PollAsync());
        File.WriteAllText(AuthorityPath, _first.CertificatePem);
        CertificateTexts? changed = await watch.PollAsync();
        Assert.Empty(changed!.Pki);
        Assert.Equal(new NamedPem("clients", _first.CertificatePem), Assert.Single(changed.Authorities));
    }

    [Fact]
    public async Task A_keys_process_that_does_not_answer_is_asked_again()
    {
        CertificateFilesWatch watch = await OpenAsync();
        Write(_second);
        _keys.IsGone = true;
        Assert.Null(await watch.PollAsync());
        Assert.Null(await watch.PollAsync());
        Assert.Contains("gone", Assert.Single(_log.Lines));
        _keys.IsGone = false;
        Assert.Equal(_second.CertificatePem, (await watch.PollAsync())!.Pki[0].Pem);
    }

    [Fact]
    public async Task A_new_keys_process_gets_all_keys_and_nothing_has_changed()
    {
        CertificateFilesWatch watch = await OpenAsync();
        _table.Forget(KeyId.Of(_first.Certificate));
        Assert.Null(await watch.LoadAgainAsync());
        Assert.Equal(1, _table.Count);
        Assert.Equal(2, _keys.Loads);
    }

    [Fact]
    public async Task A_replaced_key_is_forgotten_after_a_while_unless_it_is_used_again()
    {
        CertificateFilesWatch watch = await OpenAsync();
        Write(_second);
        Assert.NotNull(await watch.PollAsync());
        Assert.Equal(2, _table.Count);
        _time.Advance(CertificateFilesWatch.KeyGrace - TimeSpan.FromSeconds(1));
        await watch.PollAsync();
        Assert.Equal(2, _table.Count);
        _time.Advance(TimeSpan.FromSeconds(1));
        await watch.PollAsync();
        Assert.Equal(1, _table.Count);

        Write(_first);
        await watch.PollAsync();
        Write(_second);
        await watch.PollAsync();
        _time.Advance(CertificateFilesWatch.KeyGrace);
        await watch.PollAsync();
        Assert.Equal(1, _table.Count);
        Assert.True(_table.Forget(KeyId.Of(_second.Certificate)));
    }

    [Fact]
    public async Task A_successor_forgets_what_only_its_predecessor_used()
    {
        CertificateFilesWatch before = await OpenAsync();
        string other = Path.Combine(_directory, "other");
        File.WriteAllText(other + ".crt", _second.CertificatePem);
        File.WriteAllText(other + ".key", _second.KeyPem);
        CertificateFilesWatch after = new([new CertificateFiles("mx", other + ".crt", other + ".key")], [], _keys, _time, _log);
        Assert.Null(await after.OpenAsync());
        after.Succeed(before);
        _time.Advance(CertificateFilesWatch.KeyGrace);
        await after.PollAsync();
        Assert.Equal(1, _table.Count);
        Assert.True(_table.Forget(KeyId.Of(_second.Certificate)));
    }

    [Fact]
    public async Task The_first_reading_names_what_cannot_be_used()
    {
        Write(_first);
        File.WriteAllText(KeyPath, "nothing");
        Fault? fault = await Watch().OpenAsync();
        Assert.StartsWith("here:1:2: pki mx (", fault!.Detail);
        Assert.Contains(KeyPath, fault.Detail);
        File.Delete(KeyPath);
        Directory.CreateDirectory(KeyPath);
        Assert.Contains($"({KeyPath}): Is a directory", (await Watch().OpenAsync())!.Detail);
        Directory.Delete(KeyPath);
        Write(_first);
        File.WriteAllText(AuthorityPath, "");
        Assert.Contains($"ca clients ({AuthorityPath}): there is no certificate in it", (await Watch().OpenAsync())!.Detail);
    }

    private async Task<CertificateFilesWatch> OpenAsync()
    {
        Write(_first);
        File.WriteAllText(AuthorityPath, _second.CertificatePem);
        CertificateFilesWatch watch = Watch();
        Assert.Null(await watch.OpenAsync());
        return watch;
    }

    private CertificateFilesWatch Watch() => new(
        [new CertificateFiles("mx", CertificatePath, KeyPath) { Position = "here:1:2" }], [new AuthorityFile("clients", AuthorityPath)], _keys, _time, _log);

    private void Write(TestKeyPair pair)
    {
        Replace(CertificatePath, pair.CertificatePem);
        Replace(KeyPath, pair.KeyPem);
    }

    /// <summary>By a rename, as those who care do.</summary>
    private static void Replace(string path, string text)
    {
        File.WriteAllText(path + ".new", text);
        File.Move(path + ".new", path, overwrite: true);
    }

    private sealed class Keys(IKeyLoader table) : IKeyLoader
    {
        public bool IsGone { get; set; }

        public int Loads { get; private set; }

        public Task<KeyLoad> LoadAsync(string certificates, SafeFileHandle keyFile, CancellationToken cancellation = default)
        {
            Loads++;
            return IsGone ? Task.FromResult(new KeyLoad(null, Fault.Temporary("TLS not available", "it is gone"))) : table.LoadAsync(certificates, keyFile, cancellation);
        }

        public Task<Fault?> ForgetAsync(KeyId key, CancellationToken cancellation = default) => table.ForgetAsync(key, cancellation);
    }
}
