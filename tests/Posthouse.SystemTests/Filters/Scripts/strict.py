"""As Go's filters are: whatever is not as expected is its end. Marks each message with what it knows about it.

usage: strict.py FOLDER
"""
import sys

import plain


def expect(right, *what):
    if not right:
        print("invalid input, should not happen:", *what, file=sys.stderr, flush=True)
        sys.exit(1)


class Strict(plain.Filter):
    events = "link-connect link-disconnect link-greeting link-identify link-auth tx-reset tx-begin tx-mail tx-rcpt".split()
    phases = ["data-line", "commit"]

    def __init__(self):
        super().__init__()
        self.sessions = {}

    def take(self, line):
        atoms = line.split("|")
        expect(len(atoms) >= 6 and atoms[1] == "0.7" and atoms[3] == "smtp-in", line)
        kind, what, session, rest = atoms[0], atoms[4], atoms[5], atoms[6:]
        if what == "link-connect":
            expect(len(rest) == 4, line)
            source = rest[2]
            self.sessions[session] = {"rdns": rest[0], "rcpt": []}
            if source.startswith("unix:"):
                self.sessions[session]["ip"] = "127.0.0.1"
            elif source.startswith("["):
                self.sessions[session]["ip"] = source[1 : source.index("]")]
            else:
                self.sessions[session]["ip"] = source.split(":")[0]
        expect(session in self.sessions, line)
        known = self.sessions[session]
        if kind == "report":
            counts = {"link-disconnect": 0, "link-greeting": 1, "link-identify": 2, "tx-reset": 1, "tx-begin": 1}
            expect(len(rest) == counts.get(what, len(rest)), line)
            if what == "link-disconnect":
                del self.sessions[session]
            if what == "link-identify":
                known["helo"] = rest[1]
            if what == "tx-begin":
                known["id"] = rest[0]
            if what == "tx-reset":
                known["rcpt"] = []
            if what in ("tx-mail", "tx-rcpt"):
                expect(len(rest) >= 3 and rest[0] == known["id"] and rest[1] in ("ok", "permfail", "tempfail"), line)
                if rest[1] == "ok" and what == "tx-mail":
                    known["from"] = "|".join(rest[2:])
                if rest[1] == "ok" and what == "tx-rcpt":
                    known["rcpt"].append("|".join(rest[2:]))
        elif what == "commit":
            expect(kind == "filter" and len(rest) == 2 and rest[1] == "", line)
            self.decide(session, rest[0], "proceed")
        else:
            expect(kind == "filter" and what == "data-line" and len(rest) >= 2, line)
            self.mark = "X-Known: %s ip=%s helo=%s from=<%s> rcpt=%s" % (known["id"], known["ip"], known.get("helo"), known["from"], ",".join(known["rcpt"]))
            self.line(session, rest[0], "|".join(rest[1:]))


Strict().run()
