#!/usr/bin/env python3
"""Measures Posthouse beside its peers in one run on one machine and one disk, and writes one JSON and a table.

usage: bench/rig/rig.py [--runs N] [--messages N] [--only PART,…] [--peers NAME,…] [--json FILE] [--directory DIR]
       bench/rig/rig.py filters [--runs N] [--messages N] [--only VARIANT,…] [--peers ''] [--json FILE]
       bench/rig/rig.py split --before EXECUTABLE --after EXECUTABLE [--runs N] [--messages N] [--only PART,…]

The first form measures all parts, with Postfix, OpenSMTPD or both as peers. The second form compares two executables of Posthouse:
what the newer one costs in CPU per message. The one with filters measures what
filters cost, Posthouse's and OpenSMTPD's (filters.py). --inline 0|1 sets the runtime's inline socket completions for Posthouse.

Needs root (servers that deliver do) and Debian's postfix, for its server and for smtp-source. OpenSMTPD's package is downloaded, not
installed; where it cannot be had it is left out. Every server gets directories, ports and users of its own, the users in a mount
namespace; nothing of the system's is touched. Rates are of acknowledged messages, or, where they are delivered, of messages from the first
connection to the last file in a new/. CPU is that of the whole process tree of a server (its dead children included), memory
the sum of PSS over that tree. Runs of the servers alternate, and the median is reported: machines are noisy, ratios less so.
"""
import argparse, json, os, re, resource, shutil, socket, statistics, subprocess, sys, threading, time

import filters
from machine import DOMAIN, Peak, cpu_seconds, pss_kib
from servers import ROOT, OpenSmtpd, Posthouse, Postfix, available


def smtp_source(server, messages, sessions, length, keep, user):
    command = ['smtp-source', '-s', str(sessions), '-m', str(messages), '-l', str(length), '-f', 'sender@example.com',
               '-t', f'{user}@{DOMAIN}'] + (['-d'] if keep else []) + [f'127.0.0.1:{server.port}']
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
    if done.returncode:
        raise SystemExit(f'smtp-source against {server.name}: {done.stdout.decode(errors="replace")[:500]}')


def source(server, messages, sessions, length, keep):
    """Sends messages to one user; the seconds that it took."""
    started = time.monotonic()
    smtp_source(server, messages, sessions, length, keep, 'user1')
    return time.monotonic() - started


def source_to_all(server, messages, sessions, users):
    """Sends messages evenly to users, over so many sessions at a time: each session is for one user, and the next takes the next user."""
    waiting, lock, failures = list(range(users, 0, -1)), threading.Lock(), []

    def session():
        while True:
            with lock:
                if not waiting or failures:
                    return
                user = waiting.pop()
            try:
                smtp_source(server, messages // users, 1, 5000, True, f'user{user}')
            except SystemExit as e:
                failures.append(e)
    threads = [threading.Thread(target=session) for _ in range(sessions)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise failures[0]


def accept(kind, directory, messages, sessions, keep, length=5000):
    server = kind(directory)
    try:
        server.start()
        source(server, max(50, messages // 10), sessions, length, keep)   # processes started, caches warm
        before = cpu_seconds(server.pid)
        seconds = source(server, messages, sessions, length, keep)
        return {'rate': messages / seconds, 'cpu_ms': (cpu_seconds(server.pid) - before) * 1000 / messages}
    finally:
        server.stop()


def large(kind, directory, messages, sessions):
    server = kind(directory)
    try:
        server.start()
        with Peak(server.pid) as peak:
            seconds = source(server, messages, sessions, 5_000_000, True)
        return {'rate': messages * 5 / seconds, 'peak_mib': peak.most / 1024}
    finally:
        server.stop()


def deliver(kind, directory, messages, sessions, users):
    server = kind(directory)
    try:
        server.start(users=users)
        source_to_all(server, max(users, messages // 10), sessions, users)
        wait_for(server, users * (max(users, messages // 10) // users))
        already, before, started = server.delivered(), cpu_seconds(server.pid), time.time()
        messages -= messages % users
        if users == 1:
            source(server, messages, sessions, 5000, True)
        else:
            source_to_all(server, messages, sessions, users)
        wait_for(server, already + messages)
        return {'rate': messages / (server.last_delivery() - started), 'cpu_ms': (cpu_seconds(server.pid) - before) * 1000 / messages}
    finally:
        server.stop()


def wait_for(server, count):
    deadline = time.monotonic() + 300
    while server.delivered() < count:
        if time.monotonic() > deadline:
            raise SystemExit(f'{server.name}: {server.delivered()} of {count} delivered after 300 s; see {server.directory}')
        time.sleep(0.1)


def certificate(directory, algorithm):
    """Makes a certificate of its own signature and its key: the paths of both."""
    paths = f'{directory}/{algorithm}.crt', f'{directory}/{algorithm}.key'
    if not os.path.exists(paths[0]):
        os.makedirs(directory, exist_ok=True)
        key = {'p256': ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], 'rsa2048': ['rsa:2048']}[algorithm]
        subprocess.run(['openssl', 'req', '-x509', '-nodes', '-days', '30', '-subj', f'/CN={DOMAIN}', '-addext', f'subjectAltName=DNS:{DOMAIN}',
                        '-newkey', *key, '-out', paths[0], '-keyout', paths[1]], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.chmod(paths[1], 0o600)
    return paths


def handshakes(kind, directory, algorithm, seconds, clients=8):
    """Full handshakes a second over connections of their own. s_time hangs up after the handshake, so no SMTP is spoken."""
    server = kind(directory)
    try:
        server.start(tls=certificate(f'{directory}-keys', algorithm))

        def run(seconds):
            command = ['openssl', 's_time', '-connect', f'127.0.0.1:{server.port}', '-new', '-time', str(seconds)]
            running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(clients)]
            counts = [re.search(r'^(\d+) connections in \d+ real seconds', p.communicate(timeout=seconds + 60)[0], re.M) for p in running]
            if None in counts or any(p.returncode for p in running):
                raise SystemExit(f'openssl s_time against {server.name} failed; see {server.directory}')
            return sum(int(c[1]) for c in counts)
        run(1)
        before, started = cpu_seconds(server.pid), time.monotonic()
        count = run(seconds)
        return {'rate': count / (time.monotonic() - started), 'cpu_ms': (cpu_seconds(server.pid) - before) * 1000 / count}
    finally:
        server.stop()


def idle(directory, connections, tls):
    server = Posthouse(directory)
    held = []
    try:
        server.start(tls=certificate(f'{directory}-keys', 'p256') if tls else None)
        time.sleep(2)
        empty = pss_kib(server.pid)
        for _ in range(connections):
            held.append(socket.create_connection(('127.0.0.1', server.port), 20))
        for s in held:
            s.settimeout(20)
            if not s.recv(512).startswith(b'220'):
                raise SystemExit(f'{server.name}: an idle connection was refused')
        time.sleep(2 if held else 0)
        return {'idle_mib': empty / 1024, 'kib_per_connection': (pss_kib(server.pid) - empty) / connections if connections else None}
    finally:
        for s in held:
            s.close()
        server.stop()


# What each part is called, its unit, its measurement, and how many times a peer's rate is aimed at.
PARTS = {
    'kept-20': ('5 KB, 20 sessions, connection kept', 'messages/s', lambda k, d, m: accept(k, d, m, 20, True), {'postfix': 7}),
    'kept-100': ('5 KB, 100 sessions, connection kept', 'messages/s', lambda k, d, m: accept(k, d, m, 100, True), {'postfix': 7}),
    'each-20': ('5 KB, 20 sessions, a connection each', 'messages/s', lambda k, d, m: accept(k, d, m, 20, False), {'postfix': 5}),
    'each-100': ('5 KB, 100 sessions, a connection each', 'messages/s', lambda k, d, m: accept(k, d, m, 100, False), {'postfix': 5}),
    'large': ('5 MB, 20 sessions', 'MB/s', lambda k, d, m: large(k, d, 200, 20), {'postfix': 1.5}),
    'deliver-1': ('5 KB, 20 sessions, into one maildir', 'messages/s', lambda k, d, m: deliver(k, d, m, 20, 1), {'opensmtpd': 10, 'postfix': 3}),
    'deliver-100': ('5 KB, 20 sessions, into 100 users\' maildirs', 'messages/s', lambda k, d, m: deliver(k, d, m, 20, 100), {'opensmtpd': 10, 'postfix': 3}),
    'tls-p256': ('TLS handshakes, P-256', 'a second', lambda k, d, m: handshakes(k, d, 'p256', max(2, m // 800)), {}),
    'tls-rsa2048': ('TLS handshakes, RSA-2048', 'a second', lambda k, d, m: handshakes(k, d, 'rsa2048', max(2, m // 800)), {}),
}
PEERS = {k.name: k for k in (Postfix, OpenSmtpd)}
# Parts without an aim for OpenSMTPD leave it out unless it is asked for: its queue of many files takes minutes of them.
PEERS_OF = {'deliver-1': ('postfix', 'opensmtpd'), 'deliver-100': ('postfix', 'opensmtpd')}


def progress(text):
    if sys.stderr.isatty():
        print(f'\r\033[K{text}', end='', file=sys.stderr, flush=True)


def medians(samples):
    return {name: {key: statistics.median(s[key] for s in all_) for key in all_[0]} for name, all_ in samples.items()}


def measure(a, kinds_of, part):
    """Runs one part alternating between servers: the samples by name."""
    _, _, run, _ = PARTS[part]
    samples = {}
    for i in range(a.runs):
        for kind in kinds_of:
            progress(f'{part}: {kind.name}, run {i + 1} of {a.runs} …')
            # Slower servers get fewer messages; TLS goes by time.
            messages = a.messages if issubclass(kind, Posthouse) or part.startswith('tls-') else max(500, a.messages // 4)
            samples.setdefault(kind.name, []).append(run(kind, os.path.join(a.directory, kind.name), messages))
    progress('')
    return samples


def costs(of):
    return f"{of['cpu_ms']:.2f} ms" if 'cpu_ms' in of else f"peak {of['peak_mib']:.0f} MiB"


def compare(a):
    """All parts beside the peers: rows for people, and results for machines."""
    results, rows = {}, []
    wanted = [p for p in a.only.split(',') if p] or [*PARTS, 'idle']
    unknown = [p for p in wanted if p not in PARTS and p != 'idle']
    if unknown:
        raise SystemExit(f'no part is called {", ".join(unknown)}: there are {", ".join(PARTS)}, idle')
    for part in wanted:
        if part == 'idle':
            continue
        title, unit, _, aims = PARTS[part]
        names = PEERS_OF.get(part, ('postfix',)) if a.peers is None else [p for p in a.peers.split(',') if p]
        samples = measure(a, available([Posthouse] + [PEERS[n] for n in names]), part)
        median = medians(samples)
        results[part] = {'title': title, 'unit': unit, 'aims': aims, 'median': median, 'samples': samples}
        ours = median.pop('posthouse')
        for name, theirs in median.items() or [('', None)]:
            cells = [title, f"{ours['rate']:.0f} {unit}"]
            cells += [f"{name} {theirs['rate']:.0f}", f"{ours['rate'] / theirs['rate']:.1f} ×", f'{aims[name]} ×' if name in aims else ''] if theirs else ['', '', '']
            rows.append(cells + [costs(ours) + (f', {name} {costs(theirs)}' if theirs else '')])
            print('| ' + ' | '.join(rows[-1]) + ' |', flush=True)
        median['posthouse'] = ours
    if 'idle' in wanted:
        available([Posthouse])
        found = idle(f'{a.directory}/posthouse', 10_000, False)
        found['idle_tls_mib'] = idle(f'{a.directory}/posthouse', 0, True)['idle_mib']
        results['idle'] = found
        rows.append(['10,000 idle connections', f"{found['kib_per_connection']:.1f} KiB each", '', '', 'under 6', ''])
        rows.append(['idle server', f"{found['idle_mib']:.0f} MiB", '', '', 'under 25', ''])
        rows.append(['idle server with TLS', f"{found['idle_tls_mib']:.0f} MiB", '', '', 'under 25', ''])
    print('\n| what | Posthouse | peer | ratio | aim | CPU each, or memory |\n|---|---|---|---|---|---|')
    for cells in rows:
        print('| ' + ' | '.join(cells) + ' |')
    return results


def split(a):
    """Two executables of Posthouse, alternating: the newer one's CPU per message beside the older one's."""
    class Before(Posthouse):
        name, executable = 'before', os.path.abspath(a.before)

    class After(Posthouse):
        name, executable = 'after', os.path.abspath(a.after)
    results = {}
    print('| what | before | after | more CPU | aim | rate before | after |\n|---|---|---|---|---|---|---|')
    for part in [p for p in a.only.split(',') if p] or ['kept-20', 'kept-100']:
        kinds = [Before, After]
        for kind in kinds:
            if kind.missing():
                raise SystemExit(kind.missing())
        samples = measure(a, kinds, part)
        median = medians(samples)
        before, after = median['before'], median['after']
        results[part] = {'median': median, 'samples': samples}
        more = f"{(after['cpu_ms'] / before['cpu_ms'] - 1) * 100:+.1f} %" if 'cpu_ms' in after else ''
        print(f"| {PARTS[part][0]} | {costs(before)} | {costs(after)} | {more} | at most 5 % | {before['rate']:.0f} | {after['rate']:.0f} |", flush=True)
    return results


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('what', nargs='?', choices=['compare', 'filters', 'split'], default='compare')
    ap.add_argument('--runs', type=int, help='3; 10 for split and filters')
    ap.add_argument('--messages', type=int, default=4000, help="Posthouse's messages a run; its peers get a quarter")
    ap.add_argument('--only', default='', help=f'of {", ".join(PARTS)}, idle')
    ap.add_argument('--peers', help='of postfix, opensmtpd; empty for none')
    ap.add_argument('--before', help='for split: the older executable')
    ap.add_argument('--after', default=Posthouse.executable, help='for split: the newer executable; out/posthouse')
    ap.add_argument('--inline', choices=['0', '1'], help='inline socket completions of Posthouse off or on; as it decides')
    ap.add_argument('--json')
    ap.add_argument('--directory', default='/var/tmp/posthouse-rig')
    a = ap.parse_args()
    if os.geteuid():
        raise SystemExit('the rig needs root')
    if a.what == 'split' and not a.before:
        raise SystemExit('split needs --before EXECUTABLE')
    if a.inline:
        os.environ['DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS'] = a.inline
    a.runs = a.runs or (3 if a.what == 'compare' else 10)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.makedirs(a.directory, exist_ok=True)
    results = {'cores': os.cpu_count(), 'runs': a.runs, 'load_before': os.getloadavg()[0], 'date': time.strftime('%F %T', time.gmtime()),
               'parts': split(a) if a.what == 'split' else filters.measure(a, accept, progress) if a.what == 'filters' else compare(a)}
    path = a.json or f'{ROOT}/bench/results/{"rig" if a.what == "compare" else a.what}.json'
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, 'w') as f:
        json.dump(results, f, indent=1)
    shutil.rmtree(a.directory, ignore_errors=True)


main()
