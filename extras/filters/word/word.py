#!/usr/bin/env python3
"""Refuses messages that contain a word, in capitals or not.  usage: word.py WORD

It looks at messages as they travel: a word inside base64, or cut in two by quoted-printable, is not seen."""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../bridges/python"))
from posthouse import Filter, reject  # noqa: E402

if len(sys.argv) != 2 or not sys.argv[1]:
    sys.exit("usage: word.py WORD")

# Bytes beyond ASCII belong to words, in whichever character set.
WORD = re.compile(rb"(?<![\w\x80-\xff])" + re.escape(os.fsencode(sys.argv[1])) + rb"(?![\w\x80-\xff])", re.IGNORECASE)

f = Filter()


@f.observe
def look(session, message):
    if WORD.search(message):
        return reject("550 5.7.1 We do not say that word here")


f.run()
