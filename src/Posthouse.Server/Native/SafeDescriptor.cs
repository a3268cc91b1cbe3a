using System.Runtime.InteropServices;

namespace Posthouse.Server.Native;

/// <summary>A descriptor that is closed when it has been disposed and nobody uses it any more, so that its number cannot become another's meanwhile.</summary>
internal sealed class SafeDescriptor : SafeHandle
{
    internal SafeDescriptor(int descriptor)
        : base(-1, ownsHandle: true) => SetHandle(descriptor);

    /// <inheritdoc/>
    public override bool IsInvalid => handle < 0;

    /// <summary>Keeps the descriptor open until the result is disposed.</summary>
    internal Use Enter() => new(this);

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => Libc.close((int)handle) == 0;

    internal ref struct Use
    {
        private readonly SafeDescriptor _descriptor;
        private bool _entered;

        internal Use(SafeDescriptor descriptor)
        {
            _descriptor = descriptor;
            if (descriptor.IsClosed) return;
            try
            {
                descriptor.DangerousAddRef(ref _entered);
            }
            catch (ObjectDisposedException)
            {
                // Closed meanwhile: not open is the answer.
            }
        }

        internal readonly bool IsOpen => _entered;

        internal readonly int Descriptor => (int)_descriptor.handle;

        public readonly void Dispose()
        {
            if (_entered) _descriptor.DangerousRelease();
        }
    }
}
