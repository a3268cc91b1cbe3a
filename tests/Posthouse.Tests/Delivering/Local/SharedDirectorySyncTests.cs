using Posthouse.Server.Delivering.Local;
using Posthouse.Server.Native;

namespace Posthouse.Tests.Delivering.Local;

public class SharedDirectorySyncTests
{
    [Fact]
    public void Everybody_who_comes_is_served()
    {
        string directory = Directory.CreateTempSubdirectory("posthouse-sync-").FullName;
        try
        {
            int[] errors = new int[200];
            Parallel.For(0, errors.Length, new() { MaxDegreeOfParallelism = 8 }, i => errors[i] = SharedDirectorySync.Sync(directory));
            Assert.All(errors, error => Assert.Equal(0, error));
        }
        finally
        {
            Directory.Delete(directory);
        }
        Assert.Equal(Errno.NoEntry, SharedDirectorySync.Sync(directory));
    }
}
