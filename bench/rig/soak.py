#!/usr/bin/env python3
"""Sessions through a chain of many filters for minutes: nothing fails, and memory stays flat.

usage: bench/rig/soak.py [--sessions 500] [--filters 20] [--seconds 300] [--kill MILLISECONDS]

Half of the filters are Python on the SDK, half C#; all of them take connect, MAIL, RCPT and the lines. Each session sends messages of its own, one every now
and then, and checks every reply. With --kill a random filter is ended by SIGKILL that often: then a client may also hear 4xx, and what was answered with 250 is
looked for in the queue. Needs root, ./build and the .NET SDK.
"""
import argparse, asyncio, json, os, random, re, resource, shutil, signal, subprocess, sys, time

import filters
from machine import cpu_seconds, pss_kib, tree
from servers import Posthouse


async def session(port, number, until, pause, counts, kill):
    while time.monotonic() < until:
        try:
            reader, writer = await asyncio.open_connection('127.0.0.1', port)

            async def say(line, want):
                if line:
                    writer.write(line)
                while True:
                    reply = await asyncio.wait_for(reader.readline(), 120)
                    if not reply:
                        raise ConnectionError('closed')
                    if reply[3:4] == b' ':
                        break
                counts[reply[:3].decode()] = counts.get(reply[:3].decode(), 0) + 1
                if not reply.startswith(want):
                    counts.setdefault('unexpected', []).append(f'{line[:40]!r}: {reply[:100]!r}')
                    return None
                return reply
            ok = await say(b'', b'220') and await say(b'EHLO soak.example.net\r\n', b'250')
            while ok and time.monotonic() < until:
                text = b'Subject: %d\r\n\r\n' % number + b'a line of sixty bytes or so that stands in the message often\r\n' * 70 + b'.\r\n'
                ok = await say(b'MAIL FROM:<a@example.com>\r\n', b'250') and await say(b'RCPT TO:<user1@rig.example.org>\r\n', b'250') and await say(b'DATA\r\n', b'354')
                sent = await say(text, b'250') if ok else None
                counts['messages'] = counts.get('messages', 0) + 1
                if sent:
                    counts.setdefault('accepted', []).append(re.search(rb'([0-9a-f]{8}) Message', sent)[1].decode())
                elif kill:
                    ok = await say(b'RSET\r\n', b'250')
                else:
                    break
                await asyncio.sleep(pause * random.random() * 2)
            writer.close()
        except (ConnectionError, OSError, asyncio.TimeoutError) as e:
            counts.setdefault('unexpected', []).append(repr(e))
            await asyncio.sleep(0.2)


def plugs(server):
    found = []
    for p in tree(server.pid):
        try:
            with open(f'/proc/{p}/cmdline') as f:
                words = f.read()
            if 'sdk.py' in words or 'rig-filter' in words:
                found.append(p)
        except OSError:
            pass
    return found


async def run(a, server):
    counts, until, memory = {}, time.monotonic() + a.seconds, []
    sessions = [asyncio.create_task(session(server.port, i, until, a.pause, counts, a.kill)) for i in range(a.sessions)]
    killed, tick = 0, time.monotonic()
    while time.monotonic() < until:
        await asyncio.sleep(a.kill / 1000 if a.kill else 5)
        if a.kill and (there := plugs(server)):
            try:
                os.kill(random.choice(there), signal.SIGKILL)
                killed += 1
            except OSError:
                pass
        if time.monotonic() - tick >= 5:
            tick = time.monotonic()
            memory.append(pss_kib(server.pid) / 1024)
            print(f'\r{len(memory) * 5:4} s, {counts.get("messages", 0)} messages, {memory[-1]:.0f} MiB, {len(counts.get("unexpected", []))} unexpected', end='', file=sys.stderr, flush=True)
    await asyncio.gather(*sessions)
    print(file=sys.stderr)
    return counts, memory, killed


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--sessions', type=int, default=500)
    ap.add_argument('--filters', type=int, default=20)
    ap.add_argument('--seconds', type=int, default=300)
    ap.add_argument('--pause', type=float, default=5, help='seconds between two messages of a session, on the average')
    ap.add_argument('--kill', type=int, default=0)
    ap.add_argument('--directory', default='/var/tmp/posthouse-soak')
    a = ap.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    filters.programs(f'{a.directory}/filters')
    names = [f'f{i}' for i in range(a.filters)]

    class Chained(Posthouse):
        pass
    Chained.filters = (''.join(f'filter "{n}" proc-exec "{a.directory}/filters/{"sdk.py" if i % 2 else "rig-filter"}"\n' for i, n in enumerate(names)),
                       ' filter { ' + ', '.join(f'"{n}"' for n in names) + ' }')
    server = Chained(f'{a.directory}/server')
    try:
        server.start()
        time.sleep(3)
        counts, memory, killed = asyncio.run(run(a, server))
        listed = subprocess.run([server.executable, 'ctl', '--state', f'{server.directory}/state', '--json', 'show', 'queue'], capture_output=True, text=True).stdout
        queued = {}
        for line in listed.splitlines():
            if (envelope := json.loads(line).get('envelope')):
                queued[envelope['id'][:8]] = queued.get(envelope['id'][:8], 0) + 1
        status = subprocess.run([server.executable, 'ctl', '--state', f'{server.directory}/state', 'show', 'filters'], capture_output=True, text=True).stdout
        accepted, unexpected = counts.pop('accepted', []), counts.pop('unexpected', [])
        missing = [m for m in accepted if queued.get(m) != 1]
        print(f'{counts.get("messages", 0)} messages, {len(accepted)} accepted at the first try ({100 * len(accepted) / max(1, counts.get("messages", 0)):.2f} %), {len(missing)} not once in the queue; '
              f'{killed} filters killed; {len(unexpected)} replies or ends that were not expected')
        print(f'replies: {counts}')
        half = len(memory) // 2
        print(f'memory of all processes: {memory[0]:.0f} MiB after 5 s, {max(memory[:half or 1]):.0f} at most in the first half, {max(memory[half:]):.0f} in the second, {memory[-1]:.0f} at the end')
        print(status)
        for line in unexpected[:10]:
            print(line)
    finally:
        server.stop()
        shutil.rmtree(a.directory, ignore_errors=True)


main()
