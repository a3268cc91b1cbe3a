using System.Runtime.InteropServices;

namespace Posthouse.Server.Native;

/// <summary>The error numbers of Linux that the server tells apart.</summary>
public static class Errno
{
#pragma warning disable CS1591 // Each is the constant of errno(3) with that name.
    public const int Permission = 1;
    public const int NoEntry = 2;
    public const int NoProcess = 3;
    public const int Interrupted = 4;
    public const int InputOutput = 5;
    public const int BadDescriptor = 9;
    public const int Again = 11;
    public const int Access = 13;
    public const int Exists = 17;
    public const int NotDirectory = 20;
    public const int IsDirectory = 21;
    public const int Invalid = 22;
    public const int NoSpace = 28;
    public const int BrokenPipe = 32;
    public const int Range = 34;
    public const int NotImplemented = 38;
    public const int Loop = 40;
    public const int MessageSize = 90;
    public const int NoAddressFamily = 97;
    public const int Quota = 122;
#pragma warning restore CS1591

    /// <summary>The error of this thread's last call of the C library.</summary>
    public static int Last => Marshal.GetLastPInvokeError();

    /// <summary>The C library's text for an error.</summary>
    public static string Text(int error) => Marshal.GetPInvokeErrorMessage(error);
}
