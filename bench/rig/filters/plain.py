#!/usr/bin/env python3
"""The same without any SDK, as people write filters by hand: a line in, a line out. With the argument "flush" every line is flushed by itself,
without it the output waits until the input is drained."""
import os
import sys

flush = sys.argv[1:] == ["flush"]
out = []


def say(line):
    if flush:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
    else:
        out.append(line)


def handle(line):
    fields = line.split(b"|", 7)
    if fields[0] == b"config":
        if fields[1] == b"ready":
            for phase in (b"connect", b"mail-from", b"rcpt-to", b"data-line"):
                say(b"register|filter|smtp-in|" + phase + b"\n")
            say(b"register|ready\n")
    elif fields[0] == b"filter":
        session, token = fields[5], fields[6]
        if fields[4] == b"data-line":
            say(b"filter-dataline|" + session + b"|" + token + b"|" + fields[7] + b"\n")
        else:
            say(b"filter-result|" + session + b"|" + token + b"|proceed\n")


rest = b""
while True:
    block = os.read(0, 65536)
    if not block:
        break
    *lines, rest = (rest + block).split(b"\n")
    for line in lines:
        handle(line)
    if out:
        data = memoryview(b"".join(out))
        out.clear()
        while data:
            data = data[os.write(1, data):]
