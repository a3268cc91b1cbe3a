#!/usr/bin/env python3
"""A filter on the SDK that does what the rig's filters do: it looks at connect, MAIL and RCPT, and lets each line through."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from posthouse import Filter, accept  # noqa: E402  (the rig puts it beside)

f = Filter()


@f.on("connect")
def connect(session, rdns, ip):
    return accept()


@f.on("mail-from")
def mail(session, address):
    return accept()


@f.on("rcpt-to")
def rcpt(session, address):
    return accept()


@f.lines
def line(session, text):
    return text


f.run()
