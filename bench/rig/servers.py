"""The servers that the rig compares. Each has directories, ports and accounts of its own; nothing of the system's is touched."""
import functools, glob, os, shutil, socket, subprocess, sys, threading, time

from machine import DOMAIN, Accounts, free_port, in_namespace

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Not below the rig's directory, which is removed after a run.
PACKAGES = '/var/tmp/posthouse-rig-packages'


class Server:
    """start() takes: users, how many system users have maildirs (none: mail is accepted and stays queued);
    tls, a certificate and its key, for TLS from the first byte."""
    name = executable = None
    # Declarations, and what stands on the listener.
    filters = '', ''

    def __init__(self, directory):
        self.directory, self.port, self.pid, self.process = directory, free_port(), None, None
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        os.chmod(directory, 0o755)
        self.accounts = None

    @classmethod
    def missing(cls):
        """Why this server cannot be measured here, or None."""
        return None

    def popen(self, mounts, command, hostname=None):
        # A session of its own, as a service manager gives it: by sessions the kernel shares out the processor (sched_autogroup), and a server
        # that shares one with the load generator is woken less often for more messages at a time.
        with open(f'{self.directory}/log', 'w') as log:
            self.process = subprocess.Popen(in_namespace(mounts, command, hostname), stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        self.pid = self.process.pid

    def wait(self, tls=None):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(('127.0.0.1', self.port), 2) as s:
                    if tls:
                        return self
                    if s.recv(4) == b'220 ':
                        s.sendall(b'QUIT\r\n')
                        return self
            except OSError:
                pass
            time.sleep(0.05)
        raise SystemExit(f'{self.name} did not start; see {self.directory}')

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def boxes(self):
        return [f'{home}/Maildir/new' for home in self.accounts.homes]

    def delivered(self):
        count = 0
        for box in self.boxes():
            try:
                with os.scandir(box) as entries:
                    count += sum(1 for _ in entries)
            except OSError:
                pass
        return count

    def last_delivery(self):
        """When the last message came into a new/, in seconds since 1970: moving it there sets the time of its inode's change."""
        return max(entry.stat().st_ctime_ns for box in self.boxes() if os.path.isdir(box) for entry in os.scandir(box)) / 1e9


class Posthouse(Server):
    name, executable = 'posthouse', f'{ROOT}/out/posthouse'

    @classmethod
    def missing(cls):
        return None if os.access(cls.executable, os.X_OK) else f'{cls.executable} is missing: run ./build'

    def start(self, users=0, tls=None):
        self.accounts = Accounts(self.directory, users)
        pki = f'pki {DOMAIN} cert "{tls[0]}"\npki {DOMAIN} key "{tls[1]}"\n' if tls else ''
        with open(f'{self.directory}/smtpd.conf', 'w') as f:
            f.write(f'''{pki}{self.filters[0]}listen on 127.0.0.1 port {self.port}{f" smtps pki {DOMAIN}" if tls else ""}{self.filters[1]}
smtp limit max-sessions 30000 max-mails 1000000
smtp max-message-size 50M
table everybody {{ "@" = nobody }}
action "mailbox" maildir {"" if users else "user nobody virtual <everybody>"}
match from any for any action "mailbox"
'''.replace('for any', f'for domain "{DOMAIN}"' if users else 'for any'))
        self.popen(self.accounts.mounts() if users else [],
                   [self.executable, 'serve', '-f', f'{self.directory}/smtpd.conf', '--state', f'{self.directory}/state',
                    '--users', 'nobody,nobody,nobody,nobody'] + ([] if users else ['-P', 'mda']))
        return self.wait(tls)


class Postfix(Server):
    """Debian's, which must be installed; with settings of its own, of which only those differ from Debian's that a load test would meet as limits."""
    name = 'postfix'

    @classmethod
    def missing(cls):
        if shutil.which('postfix') and shutil.which('smtp-source'):
            return None
        return 'postfix is not installed: apt-get install postfix'

    def start(self, users=0, tls=None):
        d = self.directory
        self.accounts = Accounts(d, users)
        for sub in ('etc', 'queue', 'data'):
            os.makedirs(f'{d}/{sub}', exist_ok=True)
        shutil.chown(f'{d}/data', 'postfix')
        with open(f'{d}/etc/main.cf', 'w') as f:
            f.write(f'''compatibility_level = 3.6
queue_directory = {d}/queue
data_directory = {d}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = {DOMAIN}
mydestination = {DOMAIN}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
home_mailbox = Maildir/
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
            if tls:
                f.write(f'smtpd_tls_chain_files = {tls[1]}, {tls[0]}\nsmtpd_tls_security_level = may\n')
        qmgr = 'qmgr      unix  n       -       n       300     1       qmgr\n' if users else ''
        wrapped = ' -o smtpd_tls_wrappermode=yes' if tls else ''
        with open(f'{d}/etc/master.cf', 'w') as f:
            # Without a queue manager accepted mail stays where cleanup(8) synced it: the least that Postfix can do.
            f.write(f'''127.0.0.1:{self.port} inet n - n - 200 smtpd{wrapped}
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
        subprocess.run(in_namespace(self.accounts.mounts() if users else [], ['postfix', '-c', f'{d}/etc', 'start']),
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(f'{d}/queue/pid/master.pid') as f:
            self.pid = int(f.read())
        if not users:
            self.swallow_triggers()
        return self.wait(tls)

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


class OpenSmtpd(Server):
    """Debian's OpenSMTPD, which cannot be installed beside Postfix.

    Its package is downloaded and unpacked below PACKAGES, and its smtpd runs in a mount namespace where its programs, its spool, its
    control socket and its users are at the places that were compiled in, and on the host name that it announces.
    """
    name = 'opensmtpd'
    package = f'{PACKAGES}/opensmtpd'

    @classmethod
    @functools.cache
    def missing(cls):
        smtpd = f'{cls.package}/usr/sbin/smtpd'
        if not os.access(smtpd, os.X_OK):
            os.makedirs(PACKAGES, exist_ok=True)
            got = subprocess.run(['apt-get', 'download', '-q', 'opensmtpd'], cwd=PACKAGES, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            archives = glob.glob(f'{PACKAGES}/opensmtpd_*.deb')
            if got.returncode or not archives:
                return f'"apt-get download opensmtpd" failed: {got.stdout.strip()[-200:]}'
            subprocess.run(['dpkg', '-x', archives[-1], cls.package], check=True)
        needs = subprocess.run(['ldd', smtpd], stdout=subprocess.PIPE, text=True).stdout
        lacks = [line.split()[0] for line in needs.splitlines() if 'not found' in line]
        return f'it lacks {", ".join(lacks)}: apt-get install libevent-2.1-7 libdb5.3' if lacks else None

    def start(self, users=0, tls=None):
        d = self.directory
        self.accounts = Accounts(d, users, services=('opensmtpd', 'opensmtpq'))
        for sub in ('libexec/opensmtpd', 'lib/opensmtpd/empty', 'spool/smtpd', 'run'):
            os.makedirs(f'{d}/{sub}', exist_ok=True)
        for sub in ('libexec', 'lib', 'spool', 'run', 'lib/opensmtpd/empty'):
            os.chmod(f'{d}/{sub}', 0o755)
        os.chmod(f'{d}/spool/smtpd', 0o711)
        pki = f'pki {DOMAIN} cert "{tls[0]}"\npki {DOMAIN} key "{tls[1]}"\n' if tls else ''
        with open(f'{d}/smtpd.conf', 'w') as f:
            f.write(f'''{pki}smtp limit max-mails 1000000
smtp max-message-size 50M
{self.filters[0]}listen on 127.0.0.1 port {self.port}{f" smtps pki {DOMAIN}" if tls else ""}{self.filters[1]}
table everybody {{ "@" = nobody }}
action "mailbox" maildir {"" if users else "virtual <everybody>"}
match from any for domain "{DOMAIN}" action "mailbox"
''')
        mounts = self.accounts.mounts() + [(f'{d}/libexec', '/usr/libexec'), (f'{self.package}/usr/libexec/opensmtpd', '/usr/libexec/opensmtpd'),
                                           (f'{d}/lib', '/var/lib'), (f'{d}/spool', '/var/spool'), (f'{d}/run', '/run')]
        self.popen(mounts, [f'{self.package}/usr/sbin/smtpd', '-d', '-f', f'{d}/smtpd.conf'] + ([] if users else ['-P', 'mda']), DOMAIN)
        return self.wait(tls)


def available(kinds):
    """Those of kinds that can be measured here; says why not of the others. Posthouse must be there."""
    found = []
    for kind in kinds:
        why = kind.missing()
        if why is None:
            found.append(kind)
        elif kind is Posthouse:
            raise SystemExit(why)
        else:
            print(f'{kind.name} is left out: {why}', file=sys.stderr)
    return found
