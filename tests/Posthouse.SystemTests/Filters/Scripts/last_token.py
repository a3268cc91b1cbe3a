"""As those are that stand on libopensmtpd: believes nothing that is not to the letter, and answers with the last token that it saw of a session.

usage: last_token.py FOLDER
"""
import re
import sys

import plain

LINE = re.compile(r"(report|filter)\|0\.\d\|\d+\.\d{6}\|smtp-(in|out)\|[a-z-]+\|[0-9a-f]{16}(\|.*)?", re.DOTALL)


def expect(right, *what):
    if not right:
        print("Invalid line received:", *what, file=sys.stderr, flush=True)
        sys.exit(1)


class LastToken(plain.Filter):
    events = ["link-connect", "link-disconnect", "tx-begin", "tx-mail", "tx-rcpt", "tx-envelope", "tx-commit", "tx-rollback"]
    phases = ["connect", "data-line", "commit"]

    def __init__(self):
        super().__init__()
        self.tokens = {}
        self.lines = {}
        self.messages = {}

    def register(self):
        expect("config|subsystem|smtp-in" in self.config, "no subsystem")
        self.admd = [line.split("|", 2)[2] for line in self.config if line.startswith("config|admd|")]
        expect(len(self.admd) == 1 and self.admd[0], "no admd")
        super().register()

    def report(self, event, session, fields):
        if event == "link-connect":
            expect(fields[1] in ("pass", "fail", "error"), *fields)
        if event.startswith("tx-"):
            expect(re.fullmatch("[0-9a-f]{8}", fields[0]), *fields)
        if event == "tx-begin":
            self.messages[session] = fields[0]
        if event == "tx-envelope":
            expect(re.fullmatch("[0-9a-f]{16}", fields[1]) and fields[1].startswith(fields[0]), *fields)
        if event == "tx-commit":
            expect(fields[0] == self.messages[session] and int(fields[1]) > 0, *fields)

    def take(self, line):
        expect(LINE.fullmatch(line), line)
        if line.startswith("filter|"):
            atoms = line.split("|", 7)
            expect(len(atoms) == 8 and re.fullmatch("[0-9a-f]{16}", atoms[6]), line)
            self.tokens[atoms[5]] = atoms[6]
        super().take(line)

    def ask(self, phase, session, token, parameter):
        self.decide(session, self.tokens[session], "proceed")

    def line(self, session, token, line):
        self.lines.setdefault(session, []).append(line)
        if line == ".":
            for held in [f"X-Admd: {self.admd[0]}", *self.lines.pop(session)]:
                self.let_out(session, self.tokens[session], held)


LastToken().run()
