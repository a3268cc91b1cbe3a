"""A filter that does what it should: it marks each message, and lets everything pass. The others here change one thing of it.

usage: NAME.py FOLDER ...        the ids of its processes are kept in FOLDER/NAME.pids
"""
import os
import sys

PHASES = "connect helo ehlo starttls auth mail-from rcpt-to data data-line commit rset quit noop".split()


def say(*fields):
    sys.stdout.write("|".join(fields) + "\n")
    sys.stdout.flush()


class Filter:
    events = ["*"]
    phases = PHASES
    mark = "X-Filtered: yes"

    def __init__(self):
        self.folder = sys.argv[1]
        self.name = os.path.basename(sys.argv[0]).removesuffix(".py")
        self.begun = set()
        self.config = []
        # Bytes are characters of the same number, and only LF ends a line.
        for stream in (sys.stdin, sys.stdout):
            stream.reconfigure(encoding="latin-1", newline="\n")
        with open(f"{self.folder}/{self.name}.pids", "a") as pids:
            pids.write(f"{os.getpid()}\n")

    def once(self, what):
        """Whether nobody of this name has asked for this before, in this process or one that is dead."""
        try:
            os.close(os.open(f"{self.folder}/{self.name}.{what}", os.O_CREAT | os.O_EXCL))
            return True
        except FileExistsError:
            return False

    def register(self):
        for event in self.events:
            say("register", "report", "smtp-in", event)
        for phase in self.phases:
            say("register", "filter", "smtp-in", phase)
        say("register", "ready")

    def report(self, event, session, fields):
        pass

    def ask(self, phase, session, token, parameter):
        self.decide(session, token, "proceed")

    def decide(self, session, token, *decision):
        say("filter-result", session, token, *decision)

    def line(self, session, token, line):
        if session not in self.begun:
            self.begun.add(session)
            self.let_out(session, token, self.mark)
        if line == ".":
            self.begun.discard(session)
        self.let_out(session, token, line)

    def let_out(self, session, token, line):
        say("filter-dataline", session, token, line)

    def take(self, line):
        kind, _, _, _, what, session, *rest = line.split("|")
        if kind == "report":
            self.report(what, session, rest)
            return
        token, parameter = rest[0], "|".join(rest[1:])
        if what == "data-line":
            self.line(session, token, parameter)
        else:
            self.ask(what, session, token, parameter)

    def run(self):
        for line in sys.stdin:
            line = line.removesuffix("\n")
            if line == "config|ready":
                self.register()
            elif line.startswith("config|"):
                self.config.append(line)
            else:
                self.take(line)


if __name__ == "__main__":
    Filter().run()
