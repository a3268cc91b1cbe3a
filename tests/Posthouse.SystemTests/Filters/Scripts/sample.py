"""A filter for the tests of posthouse.py: sample.py WHAT. sample.php does the same."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../../../extras/bridges/python"))
from posthouse import Filter, accept, disconnect, junk, reject, report, rewrite  # noqa: E402

what = sys.argv[1]
f = Filter(on_error="crash" if what == "crash" else "tempfail")

if what in ("phases", "crash"):
    @f.on("connect")
    def connect(session, rdns, ip):
        if rdns == "bad.example":
            return reject(f"554 {ip} {session.src}")

    @f.on("helo", "ehlo")
    def helo(session, identity):
        return rewrite(identity.upper())

    @f.on("mail-from")
    def mail_from(session, address):
        session.senders = getattr(session, "senders", 0) + 1
        if address == "raise":
            raise RuntimeError("on purpose")
        return {"accept": accept, "reject": reject, "disconnect": disconnect, "junk": junk,
                "plain": lambda: reject("no thanks"), "temporary": lambda: reject("450 4.2.0 later"),
                "forge": lambda: reject("550 a\r\nfilter-result|b"), "wrong": lambda: "reject",
                "rewrite": lambda: rewrite("new@example.org"), "form": lambda: rewrite("<new@example.org> SIZE=1"),
                "null": lambda: rewrite(""), "count": lambda: report(str(session.senders))}.get(address, accept)()

    @f.on("rcpt-to")
    def rcpt_to(session, address):
        session.data["rcpt"] = session.data.get("rcpt", 0) + 1
        return reject() if session.data["rcpt"] > 3 else report("<" + address + ">")

    @f.on("data", "rset", "noop")
    def nothing(session):
        print("printed by", session.id)

    @f.on("commit")
    def commit(session):
        return junk()

elif what == "lines":
    @f.lines
    def line(session, line):
        if line == b"raise":
            raise RuntimeError("on purpose")
        if line == b"refuse":
            return reject("550 5.7.1 a line")
        if line == b"several":
            return (b"part %d" % i for i in range(3))
        return {b"drop": None, b"twice": [line, line], b"dot": b".", b"dots": b"..x", b"two": b"one\ntwo\r\n",
                b"text": "\u00e9"}.get(line, line)

elif what == "generator":
    @f.lines
    def line(session, line):
        if line != b"drop":
            yield line
            yield b"> " + line

elif what == "parts":
    @f.lines("header")
    def header(session, line):
        return line.upper()

    @f.lines("body")
    def body(session, line):
        return line[::-1]

elif what == "message":
    @f.message
    def message(session, message):
        if message == b"":
            return None
        first = message.split(b"\r\n")[0]
        if first == b"raise":
            raise RuntimeError("on purpose")
        return {b"refuse": reject("550 5.7.1 a message"), b"same": None, b"junk": junk(), b"nothing": b"", b"wrong": rewrite("x"),
                b"text": "\u00e9"}.get(first, message.replace(b"\r\n", b"\n") + b".\nno end")

elif what == "observe":
    @f.observe
    def observe(session, message):
        if b"raise" in message:
            raise RuntimeError("on purpose")
        if b"refuse" in message:
            return reject(f"550 {len(message)} bytes")

elif what == "events":
    f.needs("helo", "tls", "user", "message_id", "sender", "recipients")

    @f.report("tx-mail", "tx-rcpt", "tx-commit", "link-auth", "link-disconnect")
    def told(session, event):
        if event.name == "tx-commit" and event.size == 666:
            raise RuntimeError("on purpose")
        print(event.name, event.subsystem, event.replayed, *event.params, sep="|")

    @f.on("commit")
    def commit(session):
        return reject("550 " + "|".join(map(str, (session.rdns, session.fcrdns, session.src, session.dest, session.ip, session.helo,
                                                 session.tls, session.user, session.message_id, session.sender,
                                                 ",".join(session.recipients), session.replayed))))

elif what == "bare":
    @f.on("mail-from")
    def mail_from(session, address):
        return report(session.helo)

f.run()
