"""Answers when it feels like it, from many threads: answers of different sessions change places. Marks each message with the client's HELO name.

usage: asynchronous.py FOLDER
"""
import random
import threading
import time

import plain

LOCK = threading.Lock()


class Asynchronous(plain.Filter):
    def __init__(self):
        super().__init__()
        self.names = {}

    def report(self, event, session, fields):
        if event == "link-identify":
            self.names[session] = fields[1]

    def ask(self, phase, session, token, parameter):
        threading.Thread(target=self.answer_later, args=(session, token, [("filter-result", "proceed")])).start()

    def answer_later(self, session, token, answers):
        time.sleep(random.random() * 0.05)
        for kind, answer in answers:
            with LOCK:
                plain.say(kind, session, token, answer)

    def line(self, session, token, line):
        held = self.__dict__.setdefault("held", {}).setdefault(session, [("filter-dataline", f"X-Helo: {self.names[session]}")])
        held.append(("filter-dataline", line))
        if line == ".":
            threading.Thread(target=self.answer_later, args=(session, token, self.held.pop(session))).start()


Asynchronous().run()
