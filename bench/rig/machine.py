"""What the rig asks of the machine: process trees and their CPU and memory, ports, private accounts, private mounts."""
import os, shlex, shutil, socket, threading

TICK = os.sysconf('SC_CLK_TCK')
FIRST_UID = 70_000   # above what Debian gives to anybody
DOMAIN = 'rig.example.org'


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
    """CPU of the tree, with that of the children that ended and were waited for."""
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


class Accounts:
    """A passwd and a group file with the system's accounts and the rig's users, and a home for each of those.

    They are seen only in mount namespaces that mount them: the system's accounts stay as they are.
    """

    def __init__(self, directory, users, services=()):
        self.passwd, self.group = f'{directory}/passwd', f'{directory}/group'
        self.homes = [f'{directory}/home/user{i}' for i in range(1, users + 1)]
        shutil.copyfile('/etc/passwd', self.passwd)
        shutil.copyfile('/etc/group', self.group)
        with open(self.passwd, 'a') as passwd, open(self.group, 'a') as group:
            for i, home in enumerate(self.homes, 1):
                uid = FIRST_UID + i
                passwd.write(f'user{i}:x:{uid}:{uid}::{home}:/bin/sh\n')
                group.write(f'user{i}:x:{uid}:\n')
                os.makedirs(home)
                os.chown(home, uid, uid)
            for i, name in enumerate(services):
                uid = FIRST_UID - 1 - i
                passwd.write(f'{name}:x:{uid}:{uid}::/var/lib/opensmtpd/empty:/usr/sbin/nologin\n')
                group.write(f'{name}:x:{uid}:\n')
        for path in (self.passwd, self.group):
            os.chmod(path, 0o644)

    def mounts(self):
        return [(self.passwd, '/etc/passwd'), (self.group, '/etc/group')]


def in_namespace(mounts, command, hostname=None):
    """The command line that runs command with each (source, target) of mounts bound in a mount namespace of its own."""
    steps = [f'mount --bind {shlex.quote(source)} {shlex.quote(target)}' for source, target in mounts]
    if hostname:
        steps.append(f'hostname {shlex.quote(hostname)}')
    steps.append('exec ' + shlex.join(command))
    return ['unshare', '--mount', '--propagation', 'private'] + (['--uts'] if hostname else []) + ['sh', '-c', ' && '.join(steps)]
