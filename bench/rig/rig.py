#!/usr/bin/env python3
"""Measures Posthouse beside Postfix in one run on one machine and one disk, and writes one JSON and a table.

usage: bench/rig/rig.py [--runs N] [--messages N] [--only PART,…] [--json FILE] [--directory DIR]

Needs root (Postfix does) and Debian's postfix, for its server and for smtp-source. Every server gets directories and
ports of its own below --directory; nothing of the system's is touched. Rates are of acknowledged messages, CPU is that
of the whole process tree of a server (its dead children included), memory the sum of PSS over that tree.
Runs of the servers alternate, and the median is reported: machines are noisy, ratios less so.
"""
import argparse, json, os, pwd, resource, shutil, signal, socket, statistics, subprocess, sys, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TICK = os.sysconf('SC_CLK_TCK')


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def tree(pid):
    """The process ids of pid and all its descendants."""
    children = {}
    for entry in os.listdir('/proc'):
        if entry.isdigit():
            try:
                with open(f'/proc/{entry}/stat') as f:
                    children.setdefault(int(f.read().rsplit(')', 1)[1].split()[1]), []).append(int(entry))
            except OSError:
                pass
    found, waiting = [], [pid]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def cpu_seconds(pid):
    total = 0
    for p in tree(pid):
        try:
            with open(f'/proc/{p}/stat') as f:
                total += sum(int(x) for x in f.read().rsplit(')', 1)[1].split()[11:15])
        except OSError:
            pass
    return total / TICK


def pss_kib(pid):
    total = 0
    for p in tree(pid):
        try:
            with open(f'/proc/{p}/smaps_rollup') as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith('Pss:'))
        except OSError:
            pass
    return total


class Server:
    def __init__(self, directory):
        self.directory, self.port, self.pid, self.process = directory, free_port(), None, None
        self.mail = os.path.join(directory, 'mail')
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(self.mail)
        os.chmod(directory, 0o755)
        nobody = pwd.getpwnam('nobody')
        os.chown(self.mail, nobody.pw_uid, nobody.pw_gid)

    def wait(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(('127.0.0.1', self.port), 2) as s:
                    if s.recv(4) == b'220 ':
                        s.sendall(b'QUIT\r\n')
                        return self
            except OSError:
                pass
            time.sleep(0.05)
        raise SystemExit(f'{self.name} did not start; see {self.directory}')

    def delivered(self):
        count = 0
        for box in os.scandir(self.mail):
            try:
                count += sum(1 for _ in os.scandir(box.path + '/new'))
            except OSError:
                pass
        return count


class Posthouse(Server):
    name = 'posthouse'

    def start(self, deliver, users=1):
        conf = os.path.join(self.directory, 'smtpd.conf')
        with open(conf, 'w') as f:
            f.write(f'''listen on 127.0.0.1 port {self.port}
smtp limit max-sessions 30000 max-mails 1000000
smtp max-message-size 50M
table everybody {{ "@" = nobody }}
action "mailbox" maildir "{self.mail}/%{{rcpt.user}}" user nobody virtual <everybody>
match from any for any action "mailbox"
''')
        log = open(os.path.join(self.directory, 'log'), 'w')
        self.process = subprocess.Popen(
            [os.path.join(ROOT, 'out', 'posthouse'), 'serve', '-f', conf, '--state', os.path.join(self.directory, 'state'),
             '--users', 'nobody,nobody,nobody,nobody'] + ([] if deliver else ['-P', 'mda']),
            stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.pid = self.process.pid
        return self.wait()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Postfix(Server):
    name = 'postfix'

    def start(self, deliver, users=1):
        d = self.directory
        for sub in ('etc', 'queue', 'data'):
            os.makedirs(f'{d}/{sub}', exist_ok=True)
        shutil.chown(f'{d}/data', 'postfix')
        with open(f'{d}/etc/aliases', 'w') as f:
            for i in range(1, users + 1):
                f.write(f'user{i} {self.mail}/user{i}/\n')
            f.write(f'user {self.mail}/user/\n')
        with open(f'{d}/etc/main.cf', 'w') as f:
            f.write(f'''compatibility_level = 3.6
queue_directory = {d}/queue
data_directory = {d}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = rig.example.org
mydestination = rig.example.org
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps = texthash:{d}/etc/aliases
alias_database =
local_recipient_maps =
message_size_limit = 52428800
mailbox_size_limit = 0
in_flow_delay = 0
default_transport = error:nothing leaves this machine
disable_dns_lookups = yes
smtpd_peername_lookup = no
default_process_limit = 100
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
maillog_file_prefixes = {d}
maillog_file = {d}/log
''')
        qmgr = 'qmgr      unix  n       -       n       300     1       qmgr\n' if deliver else ''
        with open(f'{d}/etc/master.cf', 'w') as f:
            # Without a queue manager accepted mail stays where cleanup(8) synced it: the least that Postfix can do.
            f.write(f'''127.0.0.1:{self.port} inet n - n - 200 smtpd
cleanup   unix  n       -       n       -       0       cleanup
{qmgr}tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       -       smtp
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
local     unix  -       n       n       -       -       local
anvil     unix  -       -       n       -       1       anvil
postlog   unix-dgram n  -       n       -       1       postlogd
''')
        for sub in ('etc/main.cf', 'etc/master.cf'):
            os.chmod(f'{d}/{sub}', 0o644)
        subprocess.run(['postfix', '-c', f'{d}/etc', 'start'], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(f'{d}/queue/pid/master.pid') as f:
            self.pid = int(f.read())
        if not deliver:
            self.swallow_triggers()
        return self.wait()

    def swallow_triggers(self):
        """Listens where cleanup(8) wakes the queue manager, which is not there: it would wait a second for it."""
        path = f'{self.directory}/queue/public/qmgr'
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        os.chmod(path, 0o666)
        listener.listen(1000)

        def swallow():
            while True:
                try:
                    listener.accept()[0].close()
                except OSError:
                    return
        threading.Thread(target=swallow, daemon=True).start()

    def stop(self):
        subprocess.run(['postfix', '-c', f'{self.directory}/etc', 'stop'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def source(server, messages, sessions, length, keep, users=1):
    command = ['smtp-source', '-s', str(sessions), '-m', str(messages), '-l', str(length), '-f', 'sender@example.com',
               '-t', 'user@rig.example.org'] + (['-d'] if keep else []) + [f'127.0.0.1:{server.port}']
    started = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
    if done.returncode:
        raise SystemExit(f'smtp-source against {server.name}: {done.stdout.decode(errors="replace")[:500]}')
    return time.monotonic() - started


class Peak:
    """Samples the memory of a process tree while a part runs."""

    def __init__(self, pid):
        self.pid, self.most, self.over = pid, 0, threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self.sample)
        self.thread.start()
        return self

    def sample(self):
        while not self.over.wait(0.25):
            self.most = max(self.most, pss_kib(self.pid))

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def accept(kind, directory, messages, sessions, keep, length=5000):
    server = kind(directory).start(deliver=False)
    try:
        source(server, max(50, messages // 10), sessions, length, keep)   # processes started, caches warm
        before = cpu_seconds(server.pid)
        seconds = source(server, messages, sessions, length, keep)
        return {'rate': messages / seconds, 'cpu_ms': (cpu_seconds(server.pid) - before) * 1000 / messages}
    finally:
        server.stop()


def large(kind, directory, messages, sessions):
    server = kind(directory).start(deliver=False)
    try:
        with Peak(server.pid) as peak:
            seconds = source(server, messages, sessions, 5_000_000, True)
        return {'rate': messages * 5 / seconds, 'peak_mib': peak.most / 1024}
    finally:
        server.stop()


def deliver(kind, directory, messages, sessions):
    server = kind(directory).start(deliver=True)
    try:
        source(server, max(50, messages // 10), sessions, 5000, True)
        wait_for(server, max(50, messages // 10))
        already, before, started = server.delivered(), cpu_seconds(server.pid), time.monotonic()
        source(server, messages, sessions, 5000, True)
        wait_for(server, already + messages)
        return {'rate': messages / (time.monotonic() - started), 'cpu_ms': (cpu_seconds(server.pid) - before) * 1000 / messages}
    finally:
        server.stop()


def wait_for(server, count):
    deadline = time.monotonic() + 300
    while server.delivered() < count:
        if time.monotonic() > deadline:
            raise SystemExit(f'{server.name}: {server.delivered()} of {count} delivered after 300 s; see {server.directory}')
        time.sleep(0.05)


def idle(kind, directory, connections):
    server = kind(directory).start(deliver=False)
    held = []
    try:
        time.sleep(2)
        empty = pss_kib(server.pid)
        for _ in range(connections):
            s = socket.create_connection(('127.0.0.1', server.port), 20)
            held.append(s)
        for s in held:
            s.settimeout(20)
            if not s.recv(512).startswith(b'220'):
                raise SystemExit(f'{server.name}: an idle connection was refused')
        time.sleep(2)
        return {'idle_mib': empty / 1024, 'kib_per_connection': (pss_kib(server.pid) - empty) / connections}
    finally:
        for s in held:
            s.close()
        server.stop()


PARTS = {
    'kept-20': ('5 KB, 20 sessions, connection kept', 'messages/s', lambda k, d, m: accept(k, d, m, 20, True), 7),
    'kept-100': ('5 KB, 100 sessions, connection kept', 'messages/s', lambda k, d, m: accept(k, d, m, 100, True), 7),
    'each-20': ('5 KB, 20 sessions, connection per message', 'messages/s', lambda k, d, m: accept(k, d, m, 20, False), 5),
    'each-100': ('5 KB, 100 sessions, connection per message', 'messages/s', lambda k, d, m: accept(k, d, m, 100, False), 5),
    'large': ('200 messages of 5 MB, 20 sessions', 'MB/s', lambda k, d, m: large(k, d, 200, 20), 1.5),
    'deliver': ('5 KB, 20 sessions, into a maildir', 'messages/s', lambda k, d, m: deliver(k, d, m, 20), 3),
}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--runs', type=int, default=3)
    ap.add_argument('--messages', type=int, default=4000, help="Posthouse's messages a run; Postfix gets a quarter")
    ap.add_argument('--only', default='')
    ap.add_argument('--json', default=os.path.join(ROOT, 'bench', 'results', 'rig.json'))
    ap.add_argument('--directory', default='/var/tmp/posthouse-rig')
    ap.add_argument('--without-postfix', action='store_true')
    a = ap.parse_args()
    if os.geteuid():
        raise SystemExit('the rig needs root: Postfix does')
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wanted = [p for p in a.only.split(',') if p] or [*PARTS, 'idle']
    kinds = [Posthouse] if a.without_postfix else [Posthouse, Postfix]
    results = {'cores': os.cpu_count(), 'runs': a.runs, 'parts': {}}
    rows = []
    for part in wanted:
        if part == 'idle':
            continue
        title, unit, run, target = PARTS[part]
        samples = {k.name: [] for k in kinds}
        for i in range(a.runs):
            for kind in kinds:
                messages = a.messages if kind is Posthouse else max(500, a.messages // 4)
                print(f'{part}: {kind.name}, run {i + 1} of {a.runs} …', end='\r', file=sys.stderr, flush=True)
                samples[kind.name].append(run(kind, os.path.join(a.directory, kind.name), messages))
        median = {n: {key: statistics.median(s[key] for s in all_) for key in all_[0]} for n, all_ in samples.items()}
        results['parts'][part] = {'title': title, 'unit': unit, 'target': target, 'median': median, 'samples': samples}
        ours, theirs = median['posthouse'], median.get('postfix')
        cells = [title, f"{ours['rate']:.0f} {unit}"]
        if theirs:
            cells += [f"{theirs['rate']:.0f}", f"{ours['rate'] / theirs['rate']:.1f} × (at least {target})"]
            cells += [f"{ours['cpu_ms']:.2f} / {theirs['cpu_ms']:.2f} ms: 1/{theirs['cpu_ms'] / max(ours['cpu_ms'], 1e-6):.1f}" if 'cpu_ms' in ours
                      else f"peak {ours['peak_mib']:.0f} MiB"]
        else:
            cells += ['', '', f"{ours['cpu_ms']:.3f} ms" if 'cpu_ms' in ours else f"peak {ours['peak_mib']:.0f} MiB"]
        rows.append(cells)
        print('| ' + ' | '.join(cells) + ' |', flush=True)
    if 'idle' in wanted:
        found = idle(Posthouse, os.path.join(a.directory, 'posthouse'), 10_000)
        results['parts']['idle'] = found
        rows.append(['10,000 idle connections', f"{found['kib_per_connection']:.1f} KiB each (under 6)", '', '', ''])
        rows.append(['idle server', f"{found['idle_mib']:.0f} MiB (under 25)", '', '', ''])
    os.makedirs(os.path.dirname(a.json), exist_ok=True)
    with open(a.json, 'w') as f:
        json.dump(results, f, indent=1)
    print('\n| what | Posthouse | Postfix 3.7 | ratio | CPU a message, or memory |\n|---|---|---|---|---|')
    for cells in rows:
        print('| ' + ' | '.join(cells) + ' |')
    shutil.rmtree(a.directory, ignore_errors=True)


main()
