"""Filters for Posthouse in plain Python: one file, Python 3.9 or later, nothing else needed.

    from posthouse import Filter, reject

    f = Filter()

    @f.on("rcpt-to")
    def rcpt(session, address):
        if address.startswith("spam"):
            return reject("550 5.7.1 no spam")

    f.run()

The protocol is smtpd-filters(7) in the versions 0.1 to 0.7, so OpenSMTPD runs the same scripts; where the server offers
them, messages travel in blocks (docs/filters/python.md says what a filter can rely on). Text that comes from clients is
str, decoded as UTF-8 with "surrogateescape" so that no byte is lost; messages and their lines are bytes.
"""

import inspect
import os
import re
import sys
import traceback

__all__ = ["Filter", "Session", "Event", "Decision", "PHASES", "EVENTS",
           "accept", "reject", "disconnect", "junk", "rewrite", "report"]

#: The phases that a filter can decide, and what their handlers get after the session.
PHASES = {
    "connect": ("rdns", "ip"), "helo": ("identity",), "ehlo": ("identity",), "starttls": (), "auth": ("argument",),
    "mail-from": ("address",), "rcpt-to": ("address",), "data": (), "commit": (), "rset": (), "quit": (), "noop": (),
}

#: The events that are reported, and the attributes that they have.
EVENTS = {
    "link-connect": ("rdns", "fcrdns", "src", "dest"), "link-greeting": ("hostname",),
    "link-identify": ("method", "identity"), "link-tls": ("tls",), "link-auth": ("result", "user"),
    "link-disconnect": (), "tx-begin": ("message_id",), "tx-mail": ("message_id", "result", "address"),
    "tx-rcpt": ("message_id", "result", "address"), "tx-envelope": ("message_id", "envelope_id"),
    "tx-data": ("message_id", "result"), "tx-commit": ("message_id", "size"), "tx-rollback": ("message_id",),
    "tx-reset": ("message_id",), "protocol-client": ("line",), "protocol-server": ("line",),
    "filter-report": ("kind", "filter", "text"), "filter-response": ("phase", "decision", "parameter"), "timeout": (),
}

# What the attributes of a session are made of; those of link-connect are always there.
_NEEDS = {
    "helo": ("link-identify",), "tls": ("link-tls",), "user": ("link-auth",), "message_id": ("tx-begin", "tx-reset"),
    "sender": ("tx-mail", "tx-reset"), "recipients": ("tx-rcpt", "tx-reset"),
}

_REWRITABLE = ("helo", "ehlo", "auth", "mail-from", "rcpt-to")
_BLOCK = 262144     # bytes read at once
_CHUNK = 65536      # the protocol's limit of one payload
_REPLY = re.compile(r"[45][0-9]{2} .")
_LINE_END = re.compile(rb"\r*\n")


def _text(data):
    return data.decode("utf-8", "surrogateescape")


def _bytes(data):
    return data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data


def _lines(data):
    """The lines of what should have been one: a line end at its end is not counted."""
    lines = _LINE_END.split(_bytes(data).rstrip(b"\r"))
    if len(lines) > 1 and not lines[-1]:
        lines.pop()
    return lines


class Decision:
    """The answer to a request. `name` is its keyword in the protocol, `text` its parameter or None."""
    __slots__ = ("name", "text")

    def __init__(self, name, text=None):
        # An answer is one line: a line end in a parameter would let a client's bytes forge the next answer.
        self.name, self.text = name, None if text is None else re.sub(r"[\r\n\0]+", " ", text)

    def __repr__(self):
        return self.name if self.text is None else f"{self.name}({self.text!r})"


_ACCEPT = Decision("proceed")
_JUNK = Decision("junk")


def accept():
    """Goes on as if there were no filter; the same as returning None."""
    return _ACCEPT


def reject(text="550 5.7.1 Refused"):
    """Refuses with this reply. A text without a reply code (4NN or 5NN) gets 550."""
    return Decision("reject", text if _REPLY.match(text) else "550 " + text)


def disconnect(text="421 4.7.0 Goodbye"):
    """Replies and closes the connection. A text without a reply code gets 421."""
    return Decision("disconnect", text if _REPLY.match(text) else "421 " + text)


def junk():
    """Goes on, and marks the message (every message, if none is open) with `X-Spam: Yes`. Not at commit."""
    return _JUNK


def rewrite(value):
    """Goes on with this parameter: of helo, ehlo, auth, mail-from and rcpt-to. An address may lack its <>."""
    return Decision("rewrite", value)


def report(text):
    """Goes on, and tells this text to those who listen to the event filter-report."""
    return Decision("report", text)


_FAILED = reject("451 4.3.0 Temporary failure")


class Session:
    """One SMTP session, from link-connect to link-disconnect; attributes that are not listed here are the author's.

    id              16 hexadecimal digits
    data            a dict for the author's state
    replayed        whether the session is older than this process: what requests alone told is lost then
    rdns, fcrdns    host name or "<unknown>"; pass, fail or error
    src, dest, ip   address:port of the client and of the server; the client's bare address, None for a local socket
    helo, tls, user, message_id, sender, recipients      only after Filter.needs("helo", ...), None (or []) while unknown
    """

    def __init__(self, id, known=()):
        self.id = id
        self.data = {}
        self.replayed = False
        self.rdns = self.fcrdns = self.src = self.dest = None
        for name in known:
            setattr(self, name, [] if name == "recipients" else None)
        self._verdict = None

    @property
    def ip(self):
        src = self.src
        if src is None or src.startswith("unix:"):
            return None
        return src[1:src.find("]")] if src.startswith("[") else src.partition(":")[0]

    def _learn(self, name, value):
        if name in self.__dict__:
            setattr(self, name, value)

    def __getattr__(self, name):
        if name in _NEEDS:
            raise AttributeError(f"session.{name} has to be asked for: f.needs({name!r})")
        raise AttributeError(f"session has no {name}")

    def __repr__(self):
        return f"<Session {self.id}>"


class Event:
    """Something that was reported.

    name, subsystem     "tx-commit", "smtp-in"
    time                seconds since 1970
    replayed            whether it came before this process was started, and is told again
    params              all that stands after the session, a list of str
    and the attributes that EVENTS lists for its name, None where the server did not say them
    """

    def __init__(self, name, subsystem, time, params):
        self.name, self.subsystem, self.time, self.replayed = name, subsystem, time, False
        self.params = params
        names = EVENTS.get(name, ())
        for i, field in enumerate(names):
            setattr(self, field, params[i] if i < len(params) else None)
        if name == "tx-commit" and self.size is not None and self.size.isdigit():
            self.size = int(self.size)

    def __repr__(self):
        return f"<{self.name} {self.params}>"


class _Mail:
    """A message that is coming in."""
    __slots__ = ("id", "session", "token", "prefix", "lines", "kept", "rest", "header", "failed")

    def __init__(self, id, session, token, prefix):
        self.id, self.session, self.token, self.prefix = id, session, token, prefix
        self.lines = []         # what data-line brought and nobody has handled yet
        self.kept = []          # for handlers of whole messages: lines, or the blocks of bulk mode
        self.rest = b""         # the beginning of a line whose end is in the next block
        self.header = True
        self.failed = False


class Filter:
    """A filter: handlers are registered with the decorators on, lines, message, observe and report; run() serves.

    What a handler raises goes to standard error, which the server logs, and its request is answered with 451. With
    on_error="crash" the process ends instead, for the server to restart it and to apply its on-failure.
    """

    def __init__(self, on_error="tempfail"):
        if on_error not in ("tempfail", "crash"):
            raise ValueError("on_error is tempfail or crash")
        self.config = {}            # what the server said of itself; values of a key said twice are joined by commas
        self._crash = on_error == "crash"
        self._phases = {}           # bytes -> (name, handler, number of parameters)
        self._header = self._body = self._gap = self._message = self._observe = None
        self._generator = False
        self._reports = {}          # subsystem -> event -> handlers
        self._needs = set()
        self._known = ()
        self._handlers = {}         # subsystem|event, as on the wire -> (name, handlers), () when nobody wants it
        self._sessions = {}
        self._mails = {}            # session id -> _Mail
        self._active = []           # the mails that got lines from the block at hand
        self._out = []
        self._bulk = None           # None, "bulk" or "bulk-observe"
        self._replay_until = None
        self._wire_version, self._version = b"0.7", (0, 7)

    # Registration

    def on(self, *phases):
        """Decorates what decides one or several phases: handler(session, *parameters) -> decision or None."""
        def add(handler):
            for phase in phases:
                if phase not in PHASES:
                    raise ValueError(f"no phase {phase!r}, there are {', '.join(PHASES)}")
                self._check(handler, f"a handler of {phase}", ("session", *PHASES[phase]))
                if phase.encode() in self._phases:
                    raise ValueError(f"{phase} has a handler already")
                self._phases[phase.encode()] = (phase, handler, len(PHASES[phase]))
            return handler
        return add

    def lines(self, handler=None, part="all"):
        """Decorates what changes the lines of messages, one by one: handler(session, line) -> the new line, several (any
        iterable), None to drop it, or reject(...) or disconnect(...), which is answered at the end of the message.
        Lines are bytes, without line end. @f.lines("header") and @f.lines("body") see only that part, and never the
        empty line between them."""
        if handler is None or isinstance(handler, str):
            return lambda given: self.lines(given, handler or part)
        if part not in ("all", "header", "body"):
            raise ValueError("lines are of the header, the body, or all")
        self._check(handler, "a handler of lines", ("session", "line"))
        if self._message or (part != "body" and self._header) or (part != "header" and self._body):
            raise ValueError("these lines have a handler already")
        if part != "body":
            self._header = handler
        if part != "header":
            self._body = handler
        if part == "all":
            self._gap = handler
        self._generator = self._generator or inspect.isgeneratorfunction(handler)
        return handler

    def message(self, handler):
        """Decorates what changes whole messages: handler(session, message) -> the new message, None for unchanged, junk(),
        or reject(...) or disconnect(...), which is answered right afterwards, at commit. A message is bytes, its lines
        end with CRLF; the new one may end them with LF."""
        self._check(handler, "a handler of messages", ("session", "message"))
        if self._message or self._header or self._body:
            raise ValueError("messages have a handler already")
        self._message = handler
        return handler

    def observe(self, handler):
        """Decorates what only looks at messages, which go on meanwhile: handler(session, message) -> None, or reject(...)
        or disconnect(...). Cheaper than message() where the server offers it."""
        self._check(handler, "a handler of messages", ("session", "message"))
        if self._observe:
            raise ValueError("messages have an observer already")
        self._observe = handler
        return handler

    def report(self, *events, subsystem="smtp-in"):
        """Decorates what is told of events, "*" for all: handler(session, event). Of subsystem="smtp-out" when this server
        is the client."""
        def add(handler):
            self._check(handler, "a handler of reports", ("session", "event"))
            for event in events:
                if event not in EVENTS and event != "*":
                    raise ValueError(f"no event {event!r}, there are {', '.join(EVENTS)}")
                self._reports.setdefault(subsystem, {}).setdefault(event, []).append(handler)
            return handler
        return add

    def needs(self, *attributes):
        """Asks for attributes of sessions: helo, tls, user, message_id, sender, recipients. They come from reports, so that
        a restarted filter has them again."""
        for name in attributes:
            if name not in _NEEDS and name not in ("rdns", "fcrdns", "src", "dest", "ip"):
                raise ValueError(f"no attribute {name!r}, there are {', '.join(_NEEDS)}")
            if name in _NEEDS:
                self._needs.add(name)

    @staticmethod
    def _check(handler, what, parameters):
        try:
            inspect.signature(handler).bind(*parameters)
        except TypeError:
            raise TypeError(f"{what} takes ({', '.join(parameters)})") from None
        except ValueError:
            pass    # a builtin that does not tell its parameters

    # The process

    def run(self):
        """Serves until the server closes standard input."""
        if os.isatty(0):
            print("This is a filter, to be run by a mail server. To try it: posthouse filter run COMMAND --mail FILE",
                  file=sys.stderr)
        # The protocol keeps the two descriptors for itself, so that what the author prints goes to the log, and programs
        # that the author starts cannot read what is meant for the filter.
        self._stdin, self._stdout = os.dup(0), os.dup(1)
        os.set_blocking(self._stdin, True)
        os.set_blocking(self._stdout, True)
        reading, writing = os.pipe()    # an empty input that needs no /dev in a chroot
        os.dup2(reading, 0)
        os.close(reading)
        os.close(writing)
        os.dup2(2, 1)
        sys.stdout.flush()
        sys.stdout = sys.stderr
        try:
            rest = self._configure()
            if rest is not None:
                (self._serve_bulk if self._bulk else self._serve)(rest)
        except (KeyboardInterrupt, BrokenPipeError):
            pass
        finally:
            try:
                self._flush()
            except OSError:
                pass

    def _configure(self):
        buffer = b""
        while True:
            line, end, rest = buffer.partition(b"\n")
            if not end:
                block = os.read(self._stdin, _BLOCK)
                if not block:
                    return None
                buffer += block
                continue
            buffer = rest
            if self._configuration(line):
                self._register()
                self._flush()
                return buffer

    def _configuration(self, line):
        """Takes a config line; True when it was the last."""
        _, _, line = line.rstrip(b"\r").partition(b"|")
        key, _, value = _text(line).partition("|")
        if key == "replay-until":
            try:
                self._replay_until = float(value)
            except ValueError:
                pass
        self.config[key] = self.config[key] + "," + value if key in self.config else value
        return key == "ready"

    def _register(self):
        data = self._header or self._body or self._message or self._observe
        phases = [phase.decode() for phase in self._phases]
        reports = self._reports
        if phases or data:
            reports.setdefault("smtp-in", {})
        if data:
            # A message cannot be refused while its lines go through: what a handler said or raised is answered at commit.
            if "commit" not in phases:
                phases.append("commit")
            phases.append("data-line")
        registered = set()
        for subsystem, events in reports.items():
            wanted = {event: None for event in events}
            for event in ("link-connect", "link-disconnect", *(("tx-rollback",) if data and subsystem == "smtp-in" else ()),
                          *(event for name in sorted(self._needs) for event in _NEEDS[name])):
                wanted[event] = None
            if "*" in wanted:
                wanted = {"*": None}
            registered.update(EVENTS if "*" in wanted else wanted)
            self._out += [f"register|report|{subsystem}|{event}\n".encode() for event in wanted]
        self._known = [name for name, events in _NEEDS.items() if registered.issuperset(events)]
        self._out += [f"register|filter|smtp-in|{phase}\n".encode() for phase in phases]
        if data and "bulk" in self.config.get("extension", "").split(","):
            self._bulk = "bulk" if self._header or self._body or self._message else "bulk-observe"
            self._out.append(f"register|extension|{self._bulk}\n".encode())
        self._out.append(b"register|ready\n")

    def _flush(self):
        data = b"".join(self._out)
        self._out.clear()
        if data:
            written = os.write(self._stdout, data)
            if written < len(data):
                view = memoryview(data)
                while written < len(data):
                    written += os.write(self._stdout, view[written:])

    def _serve(self, rest):
        """Without bulk mode: nothing but lines, of which most are of messages."""
        mails, active = self._mails, self._active
        block = b""
        while True:
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            for line in lines:
                if line.startswith(b"filter|"):
                    fields = line.split(b"|", 7)
                    if fields[4] == b"data-line":
                        mail = mails.get(fields[5])
                        if mail is None or mail.token != fields[6]:
                            mail = self._begin(fields)
                        text = fields[7]
                        if text.startswith(b"."):
                            if text == b".":
                                self._end(mail)
                                continue
                            text = text[1:]
                        gathered = mail.lines
                        if not gathered:
                            active.append(mail)
                        gathered.append(text)
                    else:
                        self._request(fields)
                else:
                    self._other(line)
            for mail in active:
                self._drain(mail)
            active.clear()
            self._flush()
            block = os.read(self._stdin, _BLOCK)
            if not block:
                return

    def _serve_bulk(self, buffer):
        """With bulk mode: lines, some of which are followed by as many bytes as they say."""
        while True:
            position = 0
            while True:
                end = buffer.find(b"\n", position)
                if end < 0:
                    break
                line = buffer[position:end]
                if line.startswith(b"filter|"):
                    fields = line.split(b"|", 7)
                    if fields[4] == b"data-bulk":
                        length = int(fields[7])
                        if len(buffer) - end <= length:
                            break
                        end += length
                        self._chunk(fields, buffer[end - length + 1:end + 1])
                    else:
                        self._request(fields)
                else:
                    self._other(line)
                position = end + 1
            self._flush()
            block = os.read(self._stdin, _BLOCK)
            if not block:
                return
            buffer = buffer[position:] + block

    # Sessions and events

    def _session(self, id):
        session = self._sessions.get(id)
        if session is None:
            session = self._sessions[id] = Session(id.decode("ascii", "replace"), self._known)
        return session

    def _take_version(self, version):
        self._wire_version = version
        try:
            major, _, minor = version.partition(b".")
            self._version = (int(major), int(minor))
        except ValueError:
            self._version = (0, 7)

    def _failure(self):
        traceback.print_exc()
        if self._crash:
            self._flush()
            sys.exit(70)

    def _other(self, line):
        if line.startswith(b"report|"):
            fields = line.split(b"|", 6)
            if len(fields) > 5:
                self._event(fields)
        elif line.startswith(b"config|"):
            self._configuration(line)

    def _event(self, fields):
        key = fields[3] + b"|" + fields[4]
        wanted = self._handlers.get(key)
        if wanted is None:
            subsystem, name = _text(fields[3]), _text(fields[4])
            handlers = self._reports.get(subsystem, {})
            wanted = self._handlers[key] = (subsystem, name, handlers.get(name, []) + handlers.get("*", []))
        subsystem, name, handlers = wanted
        if fields[1] != self._wire_version:
            self._take_version(fields[1])
        id = fields[5]
        try:
            time = float(fields[2])
        except ValueError:
            time = 0.0
        replayed = self._replay_until is not None and time <= self._replay_until
        if name == "link-connect":
            self._sessions.pop(id, None)
        elif name == "link-disconnect" and id not in self._sessions and not handlers:
            return
        known = id in self._sessions
        session = self._session(id)
        if not known:
            session.replayed = replayed
        mail = self._mails.get(id)
        if mail is not None:
            if name in ("tx-rollback", "link-disconnect"):
                self._drop(mail)
            else:
                self._drain(mail)
        params = self._parameters(name, _text(fields[6])) if len(fields) > 6 else []
        event = Event(name, subsystem, time, params)
        event.replayed = replayed
        self._track(session, event)
        for handler in handlers:
            try:
                handler(session, event)
            except Exception:
                self._failure()
        if name == "tx-reset":
            self._forget(session)
        elif name == "link-disconnect":
            self._sessions.pop(id, None)

    def _parameters(self, name, text):
        """The parameters in today's order."""
        names = EVENTS.get(name)
        if names is None:
            return text.split("|")
        if name == "link-auth" and self._version < (0, 7):
            user, _, result = text.rpartition("|")
            return [result, user]
        if name in ("tx-mail", "tx-rcpt") and self._version < (0, 6):
            message_id, _, text = text.partition("|")
            address, _, result = text.rpartition("|")
            return [message_id, result, address]
        return text.split("|", len(names) - 1) if names else []

    def _track(self, session, event):
        name = event.name
        if name == "link-connect":
            session.rdns, session.fcrdns, session.src, session.dest = event.rdns, event.fcrdns, event.src, event.dest
        elif name == "link-identify":
            session._learn("helo", event.identity)
        elif name == "link-tls":
            session._learn("tls", event.tls)
        elif name == "link-auth":
            if event.result == "pass":
                session._learn("user", event.user)
        elif name == "tx-begin":
            session._learn("message_id", event.message_id)
        elif name == "tx-mail":
            if event.result == "ok":
                session._learn("sender", event.address)
        elif name == "tx-rcpt":
            if event.result == "ok" and "recipients" in session.__dict__:
                session.recipients.append(event.address)
        elif name == "tx-rollback":
            session._verdict = None

    @staticmethod
    def _forget(session):
        session._learn("message_id", None)
        session._learn("sender", None)
        session._learn("recipients", [])

    # Requests

    def _request(self, fields):
        id, token, name = fields[5], fields[6], fields[4]
        if fields[1] != self._wire_version:
            self._take_version(fields[1])
        session = self._session(id)
        if name == b"commit" and session._verdict is not None:
            decision, session._verdict = session._verdict, None
        else:
            phase, handler, count = self._phases.get(name, (None, None, 0))
            decision = None
            if handler is not None:
                try:
                    if count == 0:
                        decision = handler(session)
                    else:
                        text = _text(fields[7]) if len(fields) > 7 else ""
                        if count == 1:
                            decision = handler(session, text)
                        else:
                            given = text.split("|", count - 1)
                            decision = handler(session, *given, *[""] * (count - len(given)))
                    if decision is not None:
                        decision = self._fit(decision, phase)
                except Exception:
                    self._failure()
                    decision = _FAILED
        to = id + b"|" + token if self._version >= (0, 5) else token + b"|" + id
        if decision is None:
            self._out.append(b"filter-result|" + to + b"|proceed\n")
        elif decision.text is None:
            self._out.append(b"filter-result|%s|%s\n" % (to, decision.name.encode()))
        else:
            self._out.append(b"filter-result|%s|%s|%s\n" % (to, decision.name.encode(), _bytes(decision.text)))

    @staticmethod
    def _fit(decision, phase):
        if not isinstance(decision, Decision):
            raise TypeError(f"{phase}: a handler returns None or a decision such as reject(...), not {decision!r}")
        if decision.name == "rewrite":
            if phase not in _REWRITABLE:
                raise TypeError(f"{phase}: there is nothing to rewrite")
            if phase in ("mail-from", "rcpt-to") and not decision.text.startswith("<"):
                return Decision("rewrite", f"<{decision.text}>")
        elif decision.name == "junk" and phase == "commit":
            raise TypeError("commit: it is too late for junk")
        return decision

    # Messages

    def _begin(self, fields):
        id, token = fields[5], fields[6]
        if fields[1] != self._wire_version:
            self._take_version(fields[1])
        before = self._mails.get(id)
        if before is not None:
            self._drop(before)
        session = self._session(id)
        session._verdict = None
        to = id + b"|" + token if self._version >= (0, 5) else token + b"|" + id
        mail = self._mails[id] = _Mail(id, session, token, b"filter-dataline|" + to + b"|")
        return mail

    def _chunk(self, fields, data):
        """A block of bulk mode; an empty one ends the message."""
        mail = self._mails.get(fields[5])
        if mail is None or mail.token != fields[6]:
            mail = self._begin(fields)
            mail.prefix = b"filter-databulk|" + fields[5] + b"|" + fields[6] + b"|"
        if self._message or self._observe:
            mail.kept.append(data)
        if self._header or self._body:
            if data:
                lines = (mail.rest + data).split(b"\r\n")
                mail.rest = lines.pop()
            else:
                lines = [mail.rest] if mail.rest else []
            self._send(mail, self._join(self._transform(mail, lines)))
        if data:
            return
        del self._mails[fields[5]]
        if self._message or self._observe:
            new = self._whole(mail, b"".join(mail.kept))
            if self._message:
                self._send(mail, new)
        if self._bulk == "bulk":
            self._out.append(mail.prefix + b"0\n")

    def _send(self, mail, data):
        for start in range(0, len(data), _CHUNK):
            part = data[start:start + _CHUNK]
            self._out += (b"%s%d\n" % (mail.prefix, len(part)), part)

    def _drop(self, mail):
        """Forgets a message that ended before its end."""
        mail.lines.clear()
        del self._mails[mail.id]

    def _drain(self, mail):
        """Handles the lines that have come. A message handler waits for all of them."""
        lines = mail.lines
        if not lines:
            return
        if self._version < (0, 6):
            lines[:] = [line[:-1] if line.endswith(b"\r") else line for line in lines]
        if self._message or self._observe:
            mail.kept += lines
        if not self._message:
            self._answer(mail, self._transform(mail, lines) if self._header or self._body else lines)
        mail.lines = []

    def _answer(self, mail, lines):
        if lines:
            # A line of an answer begins after its prefix, so one replacement stuffs all dots.
            between = b"\n" + mail.prefix
            self._out += ((between + between.join(lines)).replace(between + b".", between + b"..")[1:], b"\n")

    def _end(self, mail):
        self._drain(mail)
        del self._mails[mail.id]
        if self._message or self._observe:
            new = self._whole(mail, self._join(mail.kept))
            if self._message:
                lines = new.split(b"\r\n")
                lines.pop()
                self._answer(mail, lines)
        self._out.append(mail.prefix + b".\n")

    @staticmethod
    def _join(lines):
        return b"\r\n".join(lines) + b"\r\n" if lines else b""

    def _transform(self, mail, lines):
        """What the handlers make of some lines."""
        if mail.failed:
            return lines
        try:
            if not mail.header:
                return self._apply(self._body, mail, lines)
            try:
                gap = lines.index(b"")
            except ValueError:
                return self._apply(self._header, mail, lines)
            mail.header = False
            return (self._apply(self._header, mail, lines[:gap]) + self._apply(self._gap, mail, [b""])
                    + self._apply(self._body, mail, lines[gap + 1:]))
        except Exception:
            # These lines and the rest go on as they are, for the protocol's sake; the message will be refused.
            mail.failed, mail.session._verdict = True, _FAILED
            self._failure()
            return lines

    def _apply(self, handler, mail, lines):
        if handler is None or not lines:
            return lines
        session = mail.session
        if not self._generator:
            made = [handler(session, line) for line in lines]
            try:
                together = b"".join(made)
                if b"\n" not in together and b"\r" not in together:
                    return made
            except TypeError:
                pass    # not bytes alone
        else:
            made = (handler(session, line) for line in lines)
        result = []
        for line, new in zip(lines, made):
            if isinstance(new, (bytes, str)):
                result += _lines(new)
            elif isinstance(new, Decision):
                self._judge(session, new)
                result.append(line)
            elif new is not None:
                for part in new:
                    result += _lines(part)
        return result

    def _whole(self, mail, message):
        """Asks the handlers of whole messages; the message as it goes on."""
        new = None
        try:
            if self._observe:
                new = self._observe(mail.session, message)
                if isinstance(new, Decision):
                    self._judge(mail.session, new)
                elif new is not None:
                    raise TypeError("an observer cannot change the message")
            if not self._message:
                return message
            new = self._message(mail.session, message)
            if new is None:
                return message
            if isinstance(new, Decision):
                if new.name == "junk":
                    return b"X-Spam: Yes\r\n" + message
                self._judge(mail.session, new)
                return message
            return self._tidy(_bytes(new))
        except Exception:
            mail.session._verdict = _FAILED
            self._failure()
            return message

    @staticmethod
    def _judge(session, decision):
        if decision.name in ("reject", "disconnect"):
            session._verdict = session._verdict or decision
        elif decision.name != "proceed":
            raise TypeError(f"{decision.name} is no answer to a message or its lines")

    @staticmethod
    def _tidy(message):
        """The message with CRLF at the end of each line."""
        if not isinstance(message, bytes):
            message = bytes(memoryview(message))
        if message.count(b"\n") != message.count(b"\r\n"):
            message = _LINE_END.sub(b"\r\n", message)
        return message if not message or message.endswith(b"\r\n") else message + b"\r\n"
