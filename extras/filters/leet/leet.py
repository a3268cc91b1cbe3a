#!/usr/bin/env python3
"""Makes t3x7 of the text of each message; its header stays as it is."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../bridges/python"))
from posthouse import Filter  # noqa: E402

LEET = bytes.maketrans(b"aAeEgGiIoOsStTzZ", b"4433661100557722")

f = Filter()


@f.lines("body")
def leet(session, line):
    # The lines between MIME parts have to match the header.
    return line if line.startswith(b"--") else line.translate(LEET)


f.run()
