namespace Posthouse.DkimSign;

/// <summary>Which keys sign for which domain. Table and keys are read again when they have changed; while they cannot be read, the old ones stay.</summary>
internal sealed class KeyTable(string file)
{
    private readonly Lock _lock = new();
    private Content _content = Content.Read(file);
    private string _lastError = "";

    /// <summary>The keys of a domain in lower case, or those of <c>*</c>; none where it is not to be signed.</summary>
    public IReadOnlyList<SigningKey> For(string domain)
    {
        lock (_lock)
        {
            if (_content.HasChanged())
            {
                try
                {
                    _content = Content.Read(file);
                    _lastError = "";
                }
                catch (Exception e) when (e is IOException or InvalidDataException or UnauthorizedAccessException)
                {
                    if (e.Message != _lastError) Console.Error.WriteLine($"the old keys stay: {e.Message}");
                    _lastError = e.Message;
                }
            }

            return _content.Keys.TryGetValue(domain, out List<SigningKey>? keys) || _content.Keys.TryGetValue("*", out keys) ? keys : [];
        }
    }

    private sealed record Content(Dictionary<string, List<SigningKey>> Keys, List<(string Path, DateTime Time, long Length)> Stamps)
    {
        public static Content Read(string file)
        {
            Content content = new(new(StringComparer.OrdinalIgnoreCase), []);
            content.Stamps.Add(Stamp(file));
            Dictionary<string, SigningKey> loaded = [];
            int number = 0;
            foreach (string line in File.ReadLines(file))
            {
                number++;
                string[] words = line.Split('#')[0].Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
                if (words.Length == 0) continue;
                if (words is not [string domain, string selector, string path]) throw new InvalidDataException($"{file}:{number}: a line is DOMAIN SELECTOR KEYFILE");
                if (!IsName(selector) || (domain != "*" && !IsName(domain))) throw new InvalidDataException($"{file}:{number}: {domain} or {selector} is no DNS name");
                path = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(file))!, path);
                try
                {
                    if (!loaded.ContainsKey(path)) content.Stamps.Add(Stamp(path));
                    SigningKey key = loaded.TryGetValue(path, out SigningKey? known) ? known with { Selector = selector } : SigningKey.Load(path, selector);
                    loaded[path] = key;
                    if (!content.Keys.TryGetValue(domain, out List<SigningKey>? keys)) content.Keys.Add(domain, keys = []);
                    keys.Add(key);
                }
                catch (Exception e) when (e is IOException or InvalidDataException or UnauthorizedAccessException)
                {
                    throw new InvalidDataException($"{file}:{number}: {e.Message}", e);
                }
            }

            return content;
        }

        public bool HasChanged() => Stamps.Exists(static stamp => Stamp(stamp.Path) != stamp);

        private static bool IsName(string name) => name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');

        private static (string, DateTime, long) Stamp(string path)
        {
            FileInfo info = new(path);
            return info.Exists ? (path, info.LastWriteTimeUtc, info.Length) : (path, default, -1);
        }
    }
}
