"""What filters cost: the same mail through servers with and without a filter, alternating."""
import json, os, shutil, statistics, subprocess

from servers import ROOT, OpenSmtpd, Posthouse

HERE = os.path.dirname(os.path.abspath(__file__))

# What is declared, and what then stands on the listener. {dir} is where the programs are.
NONE = ('', '')
BUILTIN = ('filter "f" phase mail-from match mail-from regex { "@nowhere[.]example$" } reject "550 no"', ' filter "f"')
PYTHON = ('filter "f" proc-exec "{dir}/sdk.py"', ' filter "f"')
CSHARP = ('filter "f" proc-exec "{dir}/rig-filter"', ' filter "f"')
BATCHED = ('filter "f" proc-exec "{dir}/plain.py"', ' filter "f"')
FLUSHED = ('filter "f" proc-exec "{dir}/plain.py flush"', ' filter "f"')

# Per variant: what it is, the filter, and how much CPU a message it may cost over none: milliseconds, or a share of what there is without it.
OURS = {
    'none': ('no filter', NONE, None),
    'builtin': ('a builtin filter at MAIL', BUILTIN, '3 %'),
    'python': ('Python on the SDK: connect, MAIL, RCPT, each line', PYTHON, '0.4 ms'),
    'csharp': ('C# on the SDK: the same', CSHARP, '0.1 ms'),
    'batched': ('Python by hand: the same, output batched', BATCHED, None),
    'flushed': ('Python by hand: the same, each line flushed', FLUSHED, None),
}
THEIRS = {'none': NONE, 'batched': BATCHED, 'flushed': FLUSHED}
# How many times OpenSMTPD's rate with the same filter.
AIMS = {'batched': 4, 'flushed': 3}


def programs(directory):
    """Puts the filters where every user may run them; builds the one that has to be built."""
    os.makedirs(directory, exist_ok=True)
    os.chmod(directory, 0o755)
    for source in (f'{HERE}/filters/sdk.py', f'{HERE}/filters/plain.py', f'{ROOT}/extras/bridges/python/posthouse.py'):
        shutil.copy(source, directory)
    subprocess.run(['dotnet', 'publish', f'{HERE}/filters/cs', '-c', 'Release', '-o', f'{directory}/cs', '-nologo', '-v', 'q', '-clp:NoSummary'], check=True)
    shutil.copy(f'{directory}/cs/rig-filter', directory)


def variant(kind, name, directory, which):
    declared, listener = which

    class Filtered(kind):
        filters = declared.replace('{dir}', directory) + '\n', listener
    Filtered.name = name
    return Filtered


def measure(a, accept, progress):
    """All variants of Posthouse, and OpenSMTPD's, alternating: rows for people and results for machines."""
    directory = f'{a.directory}/filters'
    programs(directory)
    kinds = [('posthouse', key, variant(Posthouse, f'posthouse-{key}', directory, which)) for key, (_, which, _) in OURS.items()]
    if OpenSmtpd.missing() is None and a.peers != '':
        kinds += [('opensmtpd', key, variant(OpenSmtpd, f'opensmtpd-{key}', directory, which)) for key, which in THEIRS.items()]
    wanted = [w for w in a.only.split(',') if w]
    samples = {}
    for i in range(a.runs):
        for server, key, kind in kinds:
            if wanted and key not in wanted:
                continue
            progress(f'{kind.name}, run {i + 1} of {a.runs} …')
            # OpenSMTPD's listening queue is so short that the first connections wait for seconds: not to measure that, it gets as many messages.
            samples.setdefault(kind.name, []).append(accept(kind, os.path.join(a.directory, kind.name), a.messages, 20, True))
    progress('')
    median = {name: {key: statistics.median(s[key] for s in all_) for key in all_[0]} for name, all_ in samples.items()}
    print('| 5 KB, 20 sessions, connection kept | Posthouse | CPU a message | over none | aim | OpenSMTPD | ratio | aim |\n|---|---|---|---|---|---|---|---|')
    base = median.get('posthouse-none')
    for key, (title, _, aim) in OURS.items():
        ours, theirs = median.get(f'posthouse-{key}'), median.get(f'opensmtpd-{key}')
        if ours is None:
            continue
        more = ours['cpu_ms'] - base['cpu_ms'] if base and key != 'none' else None
        over = '' if more is None else f"{more:.3f} ms ({more / base['cpu_ms'] * 100:+.1f} %)"
        cells = [title, f"{ours['rate']:.0f}/s", f"{ours['cpu_ms']:.3f} ms", over, aim or '',
                 f"{theirs['rate']:.0f}/s, {theirs['cpu_ms']:.2f} ms" if theirs else '', f"{ours['rate'] / theirs['rate']:.1f} ×" if theirs else '', f'{AIMS[key]} ×' if key in AIMS else '']
        print('| ' + ' | '.join(cells) + ' |', flush=True)
    return {'median': median, 'samples': samples}
