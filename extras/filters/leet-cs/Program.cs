// Makes t3x7 of the text of each message; its header stays as it is.
using Posthouse.Plugs.Filters;

const string Plain = "aAeEgGiIoOsStTzZ", Leet = "4433661100557722";
Filter filter = new();
filter.OnLine((session, line, output) =>
{
    // The lines between MIME parts have to match the header.
    if (session.InHeader || line.StartsWith("--"u8))
    {
        output.Write(line);
        return;
    }

    byte[] text = line.ToArray();
    foreach (ref byte letter in text.AsSpan())
        if (Plain.IndexOf((char)letter) is int i and >= 0) letter = (byte)Leet[i];
    output.Write(text);
});
return await filter.RunAsync();
