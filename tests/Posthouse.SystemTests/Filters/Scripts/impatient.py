"""As Perl's OpenSMTPd::Filter is: gives up when a quarter of a second passes before config|ready, and registers every event by its name.

usage: impatient.py FOLDER
"""
import os
import select
import sys

import plain


class Impatient(plain.Filter):
    events = (
        "link-connect link-greeting link-identify link-tls link-auth link-disconnect tx-begin tx-mail tx-rcpt tx-envelope tx-data tx-commit "
        "tx-rollback tx-reset protocol-client protocol-server filter-report filter-response timeout"
    ).split()

    def run(self):
        heard = b""
        while b"config|ready\n" not in heard:
            if not select.select([0], [], [], 0.25)[0]:
                print("bye", file=sys.stderr, flush=True)
                sys.exit(1)
            # Byte by byte, so that nothing of what follows is taken from the buffer of the loop.
            heard += os.read(0, 1)
        self.register()
        super().run()


Impatient().run()
