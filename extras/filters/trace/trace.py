#!/usr/bin/env python3
"""Writes down all that a filter is told: events, requests, and messages line by line.  usage: trace.py [FILE]

Without FILE it goes to standard error, which is the server's log."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../bridges/python"))
from posthouse import PHASES, Filter  # noqa: E402

# What is traced is private, and comes in any bytes.
out = sys.stderr.buffer
if len(sys.argv) > 1:
    out = open(os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "wb")


def write(session, what, *details):
    line = " ".join((session.id, what, *details))
    out.write(line.encode("utf-8", "surrogateescape") + b"\n")
    out.flush()


f = Filter()

for name in PHASES:
    @f.on(name)
    def request(session, *parameters, name=name):
        if name == "auth":      # what follows the mechanism may be the password
            parameters = [parameters[0].partition(" ")[0], "********"]
        write(session, "request", name, *parameters)


@f.observe
def message(session, message):
    for line in message.split(b"\r\n")[:-1]:
        write(session, "message", line.decode("utf-8", "surrogateescape"))


@f.report("*")
def event(session, event):
    write(session, "replayed" if event.replayed else "event", event.name, *event.params)


f.report("*", subsystem="smtp-out")(event)
f.run()
