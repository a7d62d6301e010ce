#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later

"""Uploads by mail: to aiosmtpd, which keeps what it gets."""

import asyncio
import datetime
import email
import email.policy
import email.utils
import importlib.util
import sys
import threading

import harness
from harness import ARCHIVE, DESCRIPTION, SECRET, ScriptedServer, upload

FROM, TO = "lab@sender.example", ["mmio.dumps@receiver.example", "second@receiver.example"]
MESSAGE_ID = "<6e8bc430b9d54a3eb2a9d1e5c0f1a2b3@sender.example>"


class State:
    def __init__(self, folder):
        self.folder = folder
        self.loop = asyncio.new_event_loop()

    def start(self):
        self.certificates = harness.Certificates(self.folder)
        self.archive = harness.make_archive(self.folder, 3_000_000)
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)

    def serve(self, handler, *, smtps=False, starttls=False, auth=False, certificate=None, **options):
        from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

        def authenticate(server, session, envelope, mechanism, data):
            good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"lab", SECRET.encode())
            return AuthResult(success=good, handled=False)

        async def listen():
            return await self.loop.create_server(lambda: SMTP(handler, hostname="mail.example", **options), "127.0.0.1", 0,
                                                 ssl=context if smtps else None)

        context = self.certificates.server_context(*(certificate or ()))
        if starttls:
            options.update(tls_context=context, require_starttls=True)
        if auth:
            options.update(authenticator=authenticate, auth_required=True, auth_require_tls=not smtps)
        server = asyncio.run_coroutine_threadsafe(listen(), self.loop).result(harness.WAIT_SEC)
        return f"{'smtps' if smtps else 'smtp'}://localhost:{server.sockets[0].getsockname()[1]}"

    def mail(self, url, **options):
        return upload("mail", url, options.pop("archive", self.archive), **{
            "from": FROM, "to": TO, "ca": self.ca, "max_bytes": 25 << 20, **options})

    @property
    def ca(self):
        return self.certificates.ca


class Mailbox:
    def __init__(self):
        self.envelopes, self.names = [], []

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        self.names.append(hostname)
        return responses

    async def handle_DATA(self, server, session, envelope):
        self.envelopes.append(envelope)
        return "250 kept"


def check_mail(s, box, archive=None):
    assert len(box.envelopes) == 1, len(box.envelopes)
    envelope = box.envelopes.pop()
    assert envelope.mail_from == FROM and envelope.rcpt_tos == TO
    message = email.message_from_bytes(envelope.content, policy=email.policy.SMTP)
    assert message["From"] == FROM and message["To"] == ", ".join(TO)
    assert message["Message-ID"] == MESSAGE_ID
    assert ARCHIVE in message["Subject"]
    date = email.utils.parsedate_to_datetime(str(message["Date"]))
    assert abs(date - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(hours=1)
    text, file = message.iter_parts()
    assert text.get_content_type() == "text/plain"
    assert text.get_content().replace("\r\n", "\n") == DESCRIPTION, text.get_content()
    assert file.get_filename() == ARCHIVE and file.get_content_type() == "application/x-xz"
    assert file.get_payload(decode=True) == open(archive or s.archive, "rb").read()
    assert all(len(line) <= 998 for line in envelope.content.split(b"\r\n"))
    # Neither the name of this machine nor anything else that the target does not say.
    assert set(box.names) == {"sender.example"}, box.names
    assert set(message.keys()) == {"Content-Type", "Mime-Version", "Date", "From", "To", "Subject", "Message-ID"}, message.keys()
    assert b"window.\r\nD" in envelope.content


def test_smtps(s):
    box = Mailbox()
    url = s.serve(box, smtps=True, auth=True)
    s.mail(url, secret=SECRET, user="lab").succeeded(MESSAGE_ID, s.archive)
    check_mail(s, box)


def test_starttls(s):
    box = Mailbox()
    url = s.serve(box, starttls=True, auth=True)
    s.mail(url, secret=SECRET, user="lab").succeeded(MESSAGE_ID, s.archive)
    check_mail(s, box)


def test_plain(s):
    box = Mailbox()
    url = s.serve(box)
    # A relay on this machine; only where the configuration says so.
    s.mail(url, plain=True).succeeded(MESSAGE_ID, s.archive)
    check_mail(s, box)
    s.mail(url).refused("localhost")
    assert not box.envelopes


def test_odd_sizes(s):
    box = Mailbox()
    url = s.serve(box)
    for size in 0, 1, 2, 57, 58, 100_000:
        archive = harness.make_archive(s.folder, size, "odd")
        s.mail(url, plain=True, archive=archive).succeeded(MESSAGE_ID, archive)
        check_mail(s, box, archive)
        box.names.clear()


def test_credentials(s):
    box = Mailbox()
    url = s.serve(box, smtps=True, auth=True)
    s.mail(url, secret="wrong", user="lab").refused("535", "[Target lab]")
    s.mail(url).refused("530", "[Target lab]")
    assert not box.envelopes


def test_certificates(s):
    c = s.certificates
    for certificate in (c.stranger_cert, c.stranger_key), (c.other_cert, c.other_key):
        for kind in "smtps", "starttls":
            box = Mailbox()
            url = s.serve(box, certificate=certificate, **{kind: True})
            s.mail(url, secret=SECRET, user="lab").refused("localhost")
            assert not box.envelopes


def test_size(s):
    box = Mailbox()
    url = s.serve(box, data_size_limit=1 << 20)
    s.mail(url, plain=True).refused("552")
    u = s.mail(url, plain=True, max_bytes=4_000_000).refused("2.9M", "3.9M", "3.8M", "MaxSize=", "export")
    assert not u.bytes
    assert not box.envelopes


class Answer(Mailbox):
    def __init__(self, rcpt=None, data=None):
        super().__init__()
        self.rcpt, self.data = rcpt, data

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.rcpt:
            return self.rcpt
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        return self.data


def test_answers(s):
    s.mail(s.serve(Answer(rcpt="550 5.1.1 nobody of that name")), plain=True).refused("550 5.1.1 nobody")
    s.mail(s.serve(Answer(rcpt="450 4.2.0 greylisted")), plain=True).failed("450 4.2.0 greylisted")
    s.mail(s.serve(Answer(data="452 4.3.1 disk full")), plain=True).failed("452 4.3.1 disk full")
    s.mail(s.serve(Answer(data="554 5.7.1 looks like spam")), plain=True).refused("554 5.7.1 looks like spam")
    # Whoever says the secret is not quoted.
    url = s.serve(Answer(data="554 your password is " + SECRET), smtps=True, auth=True)
    s.mail(url, secret=SECRET, user="lab").refused("did not say why")


def test_server_down(s):
    s.mail(f"smtp://localhost:{harness.free_port()}").failed("connect")


def test_connection_cut(s):
    def serve(connection, n):
        connection.sendall(b"220 hello\r\n")
        f = connection.makefile("rb")
        for line in f:
            if line.startswith(b"DATA"):
                connection.sendall(b"354 go on\r\n")
                f.read(100_000)
                return
            connection.sendall(b"250 ok\r\n")

    server = ScriptedServer(serve)
    s.mail(f"smtp://localhost:{server.port}", plain=True).failed("localhost")
    server.close()


def test_silent_server(s):
    def serve(connection, n):
        connection.recv(1)

    server = ScriptedServer(serve)
    s.mail(f"smtp://localhost:{server.port}", plain=True, timeout_usec=1_000_000).failed("localhost")
    server.close()


if __name__ == "__main__":
    if not importlib.util.find_spec("aiosmtpd"):
        print("1..0 # SKIP not installed: python3-aiosmtpd")
        sys.exit(0)
    harness.run([f for name, f in list(globals().items()) if name.startswith("test_")], State)
