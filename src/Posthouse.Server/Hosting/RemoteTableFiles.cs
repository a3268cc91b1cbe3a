using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Processes;
using Posthouse.Server.Tables;

namespace Posthouse.Server.Hosting;

/// <summary>Has the parent open the files of tables: this process sees only descriptors.</summary>
internal sealed class RemoteTableFiles(Channel parent) : ITableFiles
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(10);

    /// <inheritdoc/>
    public async ValueTask<TableSourceFile?> OpenAsync(string table, string path, FileVersion? unlessStill, CancellationToken cancellation)
    {
        PayloadWriter question = new PayloadWriter().Text(table).Text(path).Flag(unlessStill is not null);
        if (unlessStill is { } version) TableFileService.Write(question, version);
        using ChannelAnswer? answer = await parent.AskAsync(MessageKind.OpenTable, question.Payload, s_limit, cancellation);
        return answer is null ? throw new IOException("the parent does not answer") : Read(answer);
    }

    private static TableSourceFile? Read(ChannelAnswer answer)
    {
        PayloadReader reader = new(answer.Payload.Span);
        switch (reader.Byte())
        {
            case TableFileService.Unchanged when reader.IsWhole:
                return null;
            case TableFileService.Opened when TableFileService.Read(ref reader) is var version && reader.IsWhole && answer.Descriptors is [SafeFileHandle file]:
                // The answer is disposed, and with it what is still in it.
                answer.Descriptors[0] = new SafeFileHandle(-1, ownsHandle: false);
                return new(new FileStream(file, FileAccess.Read, bufferSize: 1), version);
            case TableFileService.Failed when reader.Text(TableFileService.MaxText) is var why && reader.IsWhole:
                throw new IOException(why);
            default:
                throw new IOException("the parent cannot open it");
        }
    }
}
