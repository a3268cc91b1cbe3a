using System.Security.Cryptography;

namespace Posthouse.DkimSign;

/// <summary>SHA-256 of a body in relaxed canonical form (RFC 6376 section 3.4.4), fed block by block with CRLF line ends.</summary>
internal sealed class RelaxedBodyHash : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] _bytes = new byte[16384];
    private int _count;
    private long _lineEnds; // not yet written: at the end of the body they do not count
    private bool _hasSpace, _hasReturn, _hasContent;

    public void Append(ReadOnlySpan<byte> block)
    {
        foreach (byte b in block)
        {
            if (b == '\n' && _hasReturn)
            {
                _lineEnds++;
                _hasReturn = _hasSpace = false;
                continue;
            }

            if (_hasReturn) WriteContent((byte)'\r');
            _hasReturn = b == '\r';
            if (b is (byte)' ' or (byte)'\t') _hasSpace = true;
            else if (!_hasReturn) WriteContent(b);
        }
    }

    public byte[] Finish()
    {
        if (_hasReturn) WriteContent((byte)'\r');
        if (_hasContent) WriteLineEnd();
        _hash.AppendData(_bytes, 0, _count);
        return _hash.GetHashAndReset();
    }

    public void Dispose() => _hash.Dispose();

    private void WriteContent(byte b)
    {
        for (; _lineEnds > 0; _lineEnds--) WriteLineEnd();
        if (_hasSpace) Write((byte)' ');
        Write(b);
        _hasSpace = _hasReturn = false;
        _hasContent = true;
    }

    private void WriteLineEnd()
    {
        Write((byte)'\r');
        Write((byte)'\n');
    }

    private void Write(byte b)
    {
        if (_count == _bytes.Length)
        {
            _hash.AppendData(_bytes);
            _count = 0;
        }

        _bytes[_count++] = b;
    }
}
