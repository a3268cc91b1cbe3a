using static Posthouse.Plugs.Testing.QueueProbe;

namespace Posthouse.Plugs.Testing;

/// <summary>
/// The contract kit that every <see cref="IQueue"/> passes: named checks without a test framework, so that unit
/// tests and <c>posthouse plug test queue</c> run the same ones.
/// </summary>
public static class QueueContract
{
    /// <summary>All checks, in an order that goes from simple to demanding.</summary>
    public static IReadOnlyList<QueueCheck> Checks { get; } =
    [
        new("create-commit", QueueTraits.None, CreateCommit),
        new("uncommitted-id-is-taken", QueueTraits.None, UncommittedIdIsTaken),
        new("rollback-frees-the-id", QueueTraits.None, RollbackFreesTheId),
        new("committed-id-is-taken", QueueTraits.Keeps, CommittedIdIsTaken),
        new("content-comes-back", QueueTraits.Keeps, ContentComesBack),
        new("read-at-any-offset", QueueTraits.Keeps, ReadAtAnyOffset),
        new("empty-message", QueueTraits.Keeps, EmptyMessage),
        new("big-message", QueueTraits.Keeps, BigMessage),
        new("envelopes-come-back-equal", QueueTraits.Keeps, EnvelopesComeBackEqual),
        new("uncommitted-is-invisible", QueueTraits.Keeps, UncommittedIsInvisible),
        new("rollback-leaves-nothing", QueueTraits.Keeps, RollbackLeavesNothing),
        new("envelope-joins-a-message", QueueTraits.Keeps, EnvelopeJoinsAMessage),
        new("rollback-keeps-the-committed", QueueTraits.Keeps, RollbackKeepsTheCommitted),
        new("update-replaces", QueueTraits.Keeps, UpdateReplaces),
        new("last-delete-removes-the-message", QueueTraits.Keeps, LastDeleteRemovesTheMessage),
        new("deleted-id-can-be-used-again", QueueTraits.Keeps, DeletedIdCanBeUsedAgain),
        new("unknown-is-not-found", QueueTraits.Keeps, UnknownIsNotFound),
        new("walk-ascends-in-pages", QueueTraits.Keeps, WalkAscendsInPages),
        new("walk-from-any-id", QueueTraits.Keeps, WalkFromAnyId),
        new("concurrent-messages", QueueTraits.Keeps, ConcurrentMessages),
        new("reopen-finds-the-committed", QueueTraits.Durable, ReopenFindsTheCommitted),
        new("reopen-finds-updates-and-deletes", QueueTraits.Durable, ReopenFindsUpdatesAndDeletes),
    ];

    /// <summary>The check of that name.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static QueueCheck Find(string name) =>
        Checks.FirstOrDefault(check => check.Name == name) ?? throw new ArgumentException($"no check is called {name}", nameof(name));

    private static async Task CreateCommit(QueueProbe probe)
    {
        await probe.PutAsync();
        await probe.PutAsync(envelopes: 3);
    }

    private static async Task UncommittedIdIsTaken(QueueProbe probe)
    {
        MessageId message = await probe.CreateAsync();
        Require(await probe.Queue.CreateMessageAsync(message), QueueStatus.Exists, "create of an id that is reserved");
        probe.Queue.Rollback(message);
    }

    private static async Task RollbackFreesTheId(QueueProbe probe)
    {
        MessageId message = await probe.CreateAsync();
        await probe.WriteAsync(message, Content(message, 100));
        probe.Queue.Rollback(message);
        Require(await probe.Queue.CreateMessageAsync(message), QueueStatus.Ok, "create of an id that was rolled back");
        probe.Queue.Rollback(message);
        probe.Queue.Rollback(message);
    }

    private static async Task CommittedIdIsTaken(QueueProbe probe)
    {
        (MessageId message, _) = await probe.PutAsync();
        Require(await probe.Queue.CreateMessageAsync(message), QueueStatus.Exists, "create of an id that is committed");
        await probe.ExpectContentAsync(message, 5000);
    }

    private static async Task ContentComesBack(QueueProbe probe)
    {
        foreach (int length in (int[])[1, 4095, 4096, 4097, 70_000])
        {
            (MessageId message, _) = await probe.PutAsync(length);
            await probe.ExpectContentAsync(message, length);
            await probe.ExpectContentAsync(message, length);
        }
    }

    private static async Task ReadAtAnyOffset(QueueProbe probe)
    {
        const int Length = 20_000;
        (MessageId message, _) = await probe.PutAsync(Length);
        byte[] expected = Content(message, Length), buffer = new byte[100];
        foreach (int offset in (int[])[0, 1, 99, 4096, 10_000, Length - 100, Length - 1])
        {
            QueueRead read = await probe.Queue.ReadMessageAsync(message, offset, buffer);
            Require(read.Result, QueueStatus.Ok, $"read at {offset}");
            Require(read.Count > 0 && read.Count <= Math.Min(100, Length - offset), $"a read at {offset} gives some bytes, but gave {read.Count}");
            Require(buffer.AsSpan(0, read.Count).SequenceEqual(expected.AsSpan(offset, read.Count)), $"the bytes at {offset} are those written there");
        }

        foreach (int offset in (int[])[Length, Length + 1])
        {
            QueueRead read = await probe.Queue.ReadMessageAsync(message, offset, buffer);
            Require(read.Result.IsOk && read.Count == 0, $"a read at or after the end gives 0 bytes, but gave {read.Result.Status} {read.Count}");
        }
    }

    private static async Task EmptyMessage(QueueProbe probe)
    {
        (MessageId message, EnvelopeId[] envelopes) = await probe.PutAsync(length: 0);
        await probe.ExpectContentAsync(message, 0);
        await probe.ExpectAsync(envelopes[0]);
    }

    private static async Task BigMessage(QueueProbe probe)
    {
        const int Length = 3 * 1024 * 1024 + 17;
        (MessageId message, EnvelopeId[] envelopes) = await probe.PutAsync(Length);
        await probe.ExpectContentAsync(message, Length);
        await probe.DeleteAsync(envelopes[0]);
        await probe.ExpectNoContentAsync(message);
    }

    private static async Task EnvelopesComeBackEqual(QueueProbe probe)
    {
        (_, EnvelopeId[] envelopes) = await probe.PutAsync(envelopes: 20);
        foreach (EnvelopeId id in envelopes)
            await probe.ExpectAsync(id);

        (_, EnvelopeId[] odd) = await probe.PutAsync();
        byte[] json = [.. Json(odd[0], "tab\t, quote \", newline\n, €, \u0001")[..^1], .. ",\"later\":{\"list\":[1,null,true],\"text\":\"x\"}}"u8];
        Require(await probe.Queue.UpdateEnvelopeAsync(odd[0], json), QueueStatus.Ok, "update");
        await probe.ExpectAsync(odd[0], json);
    }

    private static async Task UncommittedIsInvisible(QueueProbe probe)
    {
        MessageId message = await probe.CreateAsync();
        await probe.WriteAsync(message, Content(message, 5000));
        EnvelopeId id = probe.Add(message);
        await probe.ExpectNoneAsync(id);
        Require(await probe.Queue.CommitAsync(message), QueueStatus.Ok, "commit");
        await probe.ExpectAsync(id);
    }

    private static async Task RollbackLeavesNothing(QueueProbe probe)
    {
        foreach (int length in (int[])[5000, 1_000_000])
        {
            MessageId message = await probe.CreateAsync();
            await probe.WriteAsync(message, Content(message, length));
            EnvelopeId id = probe.Add(message);
            probe.Queue.Rollback(message);
            await probe.ExpectNoneAsync(id);
            await probe.ExpectNoContentAsync(message);
            Require(await probe.Queue.CommitAsync(message), QueueStatus.NotFound, "commit of a message that was rolled back");
        }
    }

    private static async Task EnvelopeJoinsAMessage(QueueProbe probe)
    {
        (MessageId message, EnvelopeId[] first) = await probe.PutAsync();
        EnvelopeId second = probe.Add(message);
        Require(await probe.Queue.CommitAsync(message), QueueStatus.Ok, "commit of an added envelope");
        await probe.ExpectAsync(first[0]);
        await probe.ExpectAsync(second);
        await probe.DeleteAsync(first[0]);
        await probe.ExpectAsync(second);
        await probe.ExpectContentAsync(message, 5000);
    }

    private static async Task RollbackKeepsTheCommitted(QueueProbe probe)
    {
        (MessageId message, EnvelopeId[] first) = await probe.PutAsync();
        EnvelopeId second = probe.Add(message);
        probe.Queue.Rollback(message);
        await probe.ExpectAsync(first[0]);
        await probe.ExpectNoneAsync(second);
        await probe.ExpectContentAsync(message, 5000);
    }

    private static async Task UpdateReplaces(QueueProbe probe)
    {
        (MessageId message, EnvelopeId[] envelopes) = await probe.PutAsync(envelopes: 2);
        for (int round = 0; round < 5; round++)
        {
            byte[] json = Json(envelopes[0], new string('x', round * 100 + 1));
            Require(await probe.Queue.UpdateEnvelopeAsync(envelopes[0], json), QueueStatus.Ok, "update");
            await probe.ExpectAsync(envelopes[0], json);
            await probe.ExpectAsync(envelopes[1]);
        }

        await probe.ExpectContentAsync(message, 5000);
    }

    private static async Task LastDeleteRemovesTheMessage(QueueProbe probe)
    {
        (MessageId message, EnvelopeId[] envelopes) = await probe.PutAsync(envelopes: 3);
        await probe.DeleteAsync(envelopes[1]);
        await probe.ExpectNoneAsync(envelopes[1]);
        await probe.ExpectContentAsync(message, 5000);
        await probe.DeleteAsync(envelopes[0]);
        await probe.DeleteAsync(envelopes[2]);
        await probe.ExpectNoContentAsync(message);
        Require(await probe.Queue.DeleteEnvelopeAsync(envelopes[2]), QueueStatus.NotFound, "a second delete");
    }

    private static async Task DeletedIdCanBeUsedAgain(QueueProbe probe)
    {
        (MessageId message, EnvelopeId[] envelopes) = await probe.PutAsync();
        await probe.DeleteAsync(envelopes[0]);
        Require(await probe.Queue.CreateMessageAsync(message), QueueStatus.Ok, "create of an id whose message is gone");
        byte[] content = Content(message, 7000);
        await probe.WriteAsync(message, content);
        EnvelopeId id = probe.Add(message);
        Require(await probe.Queue.CommitAsync(message), QueueStatus.Ok, "commit");
        await probe.ExpectContentAsync(message, 7000);
        await probe.ExpectAsync(id);
    }

    private static async Task UnknownIsNotFound(QueueProbe probe)
    {
        (MessageId message, EnvelopeId[] envelopes) = await probe.PutAsync();
        var strange = new EnvelopeId(envelopes[0].Value + 1);
        Require(await probe.Queue.UpdateEnvelopeAsync(strange, Json(strange)), QueueStatus.NotFound, "update of an unknown envelope");
        Require(await probe.Queue.DeleteEnvelopeAsync(strange), QueueStatus.NotFound, "delete of an unknown envelope");
        await probe.ExpectNoneAsync(strange);
        await probe.DeleteAsync(envelopes[0]);
        Require(await probe.Queue.UpdateEnvelopeAsync(envelopes[0], Json(envelopes[0])), QueueStatus.NotFound, "update of a deleted envelope");
        await probe.ExpectNoneAsync(envelopes[0]);
        await probe.ExpectNoContentAsync(message);
        Require(await probe.Queue.CommitAsync(message), QueueStatus.NotFound, "commit of an unknown message");
    }

    private static async Task WalkAscendsInPages(QueueProbe probe)
    {
        var expected = new List<EnvelopeId>();
        for (int i = 0; i < 25; i++)
            expected.AddRange((await probe.PutAsync(length: 50, envelopes: i % 4 + 1)).Envelopes);
        foreach (int max in (int[])[1, 7, 1000])
        {
            HashSet<EnvelopeId> walked = [.. await probe.WalkAsync(max)];
            Require(expected.TrueForAll(walked.Contains), $"a walk by {max} finds every committed envelope");
        }
    }

    private static async Task WalkFromAnyId(QueueProbe probe)
    {
        (MessageId message, EnvelopeId[] envelopes) = await probe.PutAsync(envelopes: 10);
        for (int i = 0; i < envelopes.Length; i++)
        {
            QueueWalk walk = await probe.Queue.WalkAsync(envelopes[i], 3);
            Require(walk.Result, QueueStatus.Ok, "walk");
            EnvelopeId[] rest = [.. walk.Envelopes.Select(stored => stored.Id).Where(id => id.Message == message)];
            Require(rest.SequenceEqual(envelopes.Skip(i + 1).Take(3)), $"a walk after envelope {i + 1} of 10 gives those that follow");
        }

        Require((await probe.Queue.WalkAsync(new(ulong.MaxValue), 10)).Envelopes.Count == 0, "a walk from the last id gives none");
    }

    private static async Task ConcurrentMessages(QueueProbe probe)
    {
        await Task.WhenAll(Enumerable.Range(0, 16).Select(worker => Task.Run(async () =>
        {
            for (int i = 0; i < 8; i++)
            {
                int length = worker == 0 && i == 0 ? 600_000 : 1000 + i * 977;
                (MessageId message, EnvelopeId[] envelopes) = await probe.PutAsync(length, envelopes: 2);
                await probe.ExpectContentAsync(message, length);
                byte[] json = Json(envelopes[0], $"{worker}");
                Require(await probe.Queue.UpdateEnvelopeAsync(envelopes[0], json), QueueStatus.Ok, "update");
                await probe.DeleteAsync(envelopes[1]);
                await probe.ExpectAsync(envelopes[0], json);
                if (i % 2 == 1) continue;
                await probe.DeleteAsync(envelopes[0]);
                await probe.ExpectNoContentAsync(message);
            }
        })));
    }

    private static async Task ReopenFindsTheCommitted(QueueProbe probe)
    {
        var before = new HashSet<EnvelopeId>(await probe.WalkAsync(1000));
        var put = new List<(MessageId Message, EnvelopeId[] Envelopes, int Length)>();
        foreach (int length in (int[])[0, 300, 5000, 300_000, 2_000_000])
        {
            (MessageId message, EnvelopeId[] envelopes) = await probe.PutAsync(length, envelopes: 3);
            put.Add((message, envelopes, length));
        }

        MessageId rolledBack = await probe.CreateAsync(), unfinished = await probe.CreateAsync();
        foreach (MessageId message in (MessageId[])[rolledBack, unfinished])
        {
            await probe.WriteAsync(message, Content(message, 5000));
            probe.Add(message);
        }

        probe.Queue.Rollback(rolledBack);
        for (int round = 0; round < 2; round++)
        {
            await probe.ReopenAsync();
            HashSet<EnvelopeId> expected = [.. before, .. put.SelectMany(one => one.Envelopes)];
            Require(expected.SetEquals(await probe.WalkAsync(4)), "a reopened store has exactly the envelopes that were committed");
            foreach ((MessageId message, EnvelopeId[] envelopes, int length) in put)
            {
                await probe.ExpectContentAsync(message, length);
                foreach (EnvelopeId id in envelopes)
                    await probe.ExpectAsync(id);
            }

            await probe.ExpectNoContentAsync(unfinished);
        }
    }

    private static async Task ReopenFindsUpdatesAndDeletes(QueueProbe probe)
    {
        (MessageId message, EnvelopeId[] envelopes) = await probe.PutAsync(envelopes: 3);
        (MessageId gone, EnvelopeId[] goneEnvelopes) = await probe.PutAsync(400_000);
        byte[] json = [];
        for (int round = 0; round < 3; round++)
        {
            json = Json(envelopes[0], $"round {round}");
            Require(await probe.Queue.UpdateEnvelopeAsync(envelopes[0], json), QueueStatus.Ok, "update");
            if (round == 0)
            {
                await probe.DeleteAsync(envelopes[1]);
                await probe.DeleteAsync(goneEnvelopes[0]);
            }

            await probe.ReopenAsync();
            await probe.ExpectAsync(envelopes[0], json);
            await probe.ExpectNoneAsync(envelopes[1]);
            await probe.ExpectAsync(envelopes[2]);
            await probe.ExpectNoneAsync(goneEnvelopes[0]);
            await probe.ExpectNoContentAsync(gone);
            await probe.ExpectContentAsync(message, 5000);
        }
    }
}
