"""plain.py with a fault.  usage: faulty.py FOLDER FAULT"""
import os
import signal
import sys
import time

import plain
from plain import say

FAULT = sys.argv[2]


class Faulty(plain.Filter):
    held = {}

    def run(self):
        if FAULT == "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        super().run()
        if FAULT == "stubborn":
            time.sleep(3600)

    def register(self):
        if FAULT == "exits":
            sys.exit(3)
        if FAULT == "registers-nothing":
            say("register", "report", "smtp-in", "*")
            return
        super().register()
        if FAULT == "floods" or (FAULT == "floods-once" and self.once("done")):
            # Answers to nobody, and words about nothing.
            answers = "".join("filter-result|%016x|0000000000000000|proceed\n" % number for number in range(1000))
            for _ in range(50 if FAULT == "floods" else 500):
                sys.stdout.write(answers)
            sys.stdout.flush()
            for _ in range(5000):
                print("a word about nothing", file=sys.stderr)

    def ask(self, phase, session, token, parameter):
        if FAULT == "dies-at-each-phase" and self.once(phase):
            os._exit(1)
        if phase == "mail-from":
            if FAULT == "garbage" and self.once("done"):
                say("what is this?")
            if FAULT == "unknown-line" and self.once("done"):
                say("filter-opinion", session, token, "proceed")
            if FAULT == "unknown-decision" and self.once("done"):
                say("filter-result", session, token, "perhaps")
            if FAULT == "wrong-token":
                say("filter-result", session, "%016x" % (int(token, 16) ^ 1), "reject", "550 not meant for you")
            if FAULT == "silent" or (FAULT == "forgets" and parameter.startswith("silent@")):
                return
        if phase == "data" and FAULT == "deaf" and self.once("done"):
            self.decide(session, token, "proceed")
            time.sleep(3600)
        super().ask(phase, session, token, parameter)
        if FAULT == "answers-twice" and phase == "mail-from":
            self.decide(session, token, "reject", "550 thought better of it")

    def line(self, session, token, line):
        if FAULT == "dies-at-each-phase" and line == "last line" and self.once("data-line"):
            os._exit(1)
        if FAULT.startswith("poisoned") and line == "poison":
            os._exit(1)
        if FAULT == "poisoned":
            # Nothing is let out before the message is whole, as filters do that sign or judge.
            self.held.setdefault(session, []).append(line)
            if line != ".":
                return
            for each in self.held.pop(session):
                super().line(session, token, each)
            return
        if FAULT == "changes-its-mind" and line == "last line":
            # What it lets out after a death is not what it has let out before.
            if self.once("done"):
                os._exit(1)
        if FAULT == "changes-its-mind" and session not in self.begun:
            self.mark = f"X-Filtered: by {os.getpid()}"
        super().line(session, token, line)


Faulty().run()
