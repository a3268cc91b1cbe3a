// Refuses mail that contains a word, in any case.  usage: word-cs WORD
using System.Text;
using Posthouse.Plugs.Filters;

if (args is not [{ Length: > 0 } word])
{
    Console.Error.WriteLine("usage: word-cs WORD");
    return 2;
}

Filter filter = new();
filter.OnObserve(async (_, message) =>
{
    using StreamReader mail = new(message.OpenRead(), Encoding.UTF8);
    while (await mail.ReadLineAsync() is { } line)
        if (line.Contains(word, StringComparison.OrdinalIgnoreCase)) return Verdict.Reject("550 5.7.1 This word is not taken here");
    return Verdict.Proceed;
});
return await filter.RunAsync();
