#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later

"""Uploads to an S3-compatible store: OpenStack Swift, which checks signature and content."""

import http.client
import importlib.util
import os
import socket
import ssl
import subprocess
import sys
import threading

import harness
import s3server
from harness import ARCHIVE, ScriptedServer, Upload, upload

FOLDER = os.path.dirname(os.path.abspath(__file__))


class State:
    def __init__(self, folder):
        self.folder, self.swift = folder, None

    def start(self):
        folder = self.folder
        self.certificates = harness.Certificates(folder)
        self.ca = self.certificates.ca
        self.archive = harness.make_archive(folder, 3_000_000)
        self.port = harness.free_port()
        log = open(folder + "/swift.log", "w")
        self.swift = subprocess.Popen(
            [FOLDER + "/s3server.py", folder + "/swift", str(self.port), self.certificates.cert, self.certificates.key],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for port in range(self.port, self.port + 4):
            harness.wait_for(lambda: self.listens(port), "Swift listens")
        assert self.swift_request("PUT", "") == 201

    def listens(self, port):
        assert self.swift.poll() is None, open(self.folder + "/swift.log").read()
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0

    def token(self):
        c = http.client.HTTPSConnection("localhost", self.port, context=ssl.create_default_context(cafile=self.ca))
        c.request("GET", "/auth/v1.0", headers={"X-Auth-User": s3server.USER, "X-Auth-Key": s3server.SECRET})
        reply = c.getresponse()
        text = reply.read()
        assert reply.status == 200, (reply.status, text, open(self.folder + "/swift.log").read()[-3000:])
        return c, reply.headers["X-Auth-Token"]

    def swift_request(self, method, path, into=None):
        """By Swift's own interface, which has nothing to do with S3."""
        c, token = self.token()
        c.request(method, "/v1/AUTH_test/traces" + path, headers={"X-Auth-Token": token})
        reply = c.getresponse()
        data = reply.read()
        if into is not None:
            into.append(data)
        return reply.status

    def stored(self, key, archive):
        data = []
        assert self.swift_request("GET", "/" + key, data) == 200
        assert data[0] == open(archive, "rb").read()

    def names(self):
        data = []
        self.swift_request("GET", "", data)
        return data[0].decode().splitlines()

    def url(self, key):
        return f"https://localhost:{self.port}/traces/{key}"

    def options(self, **more):
        return {"ca": self.ca, "secret": s3server.SECRET, "user": s3server.USER, **more}

    def close(self):
        if self.swift:
            self.swift.terminate()
            self.swift.wait()


class Proxy(ScriptedServer):
    """Passes requests on, and knows of each; may do something at one of them instead."""

    def __init__(self, s, act=None):
        self.state, self.act, self.requests = s, act, []
        super().__init__(self._serve_requests, s.certificates.server_context())

    def url(self, key):
        return f"https://localhost:{self.port}/traces/{key}"

    def _serve_requests(self, connection, n):
        while True:
            head = b""
            while b"\r\n\r\n" not in head:
                data = connection.recv(1)
                if not data:
                    return
                head += data
            lines = head.decode().split("\r\n")
            method, path, _ = lines[0].split(" ")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
            length, body = int(headers.get("content-length", 0)), b""
            if "expect" in headers:
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                del headers["expect"]
            request = f"{method} {path.partition('?')[2]}".strip()
            self.requests.append(request)
            if self.act and self.act(connection, request, len(self.requests)):
                return
            while len(body) < length:
                data = connection.recv(65536)
                if not data:
                    return
                body += data
            c = http.client.HTTPSConnection("localhost", self.state.port,
                                            context=ssl.create_default_context(cafile=self.state.ca))
            # Its Host header stays, since it is signed.
            c.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for key, value in headers.items():
                c.putheader(key, value)
            c.endheaders(body)
            reply = c.getresponse()
            data = reply.read()
            lines = [f"HTTP/1.1 {reply.status} {reply.reason}"]
            lines += [f"{k}: {v}" for k, v in reply.headers.items() if k.lower() not in ("content-length", "transfer-encoding")]
            lines += [f"Content-Length: {reply.headers.get('Content-Length', len(data))}", "", ""]
            connection.sendall("\r\n".join(lines).encode() + data)


def test_object(s):
    key = "10de/1c82/nvidia/" + ARCHIVE
    upload("s3", s.url(key), s.archive, **s.options()).succeeded(s.url(key), s.archive)
    s.stored(key, s.archive)


def test_odd_key(s):
    # As target_expand() writes what is no letter.
    key = "a%20b/%2B~/x%3Dy/D%C3%BCsseldorf"
    upload("s3", s.url(key), s.archive, **s.options()).succeeded(s.url(key), s.archive)
    s.stored(key, s.archive)


def test_is_not_sent_twice(s):
    proxy = Proxy(s)
    for expected in ["HEAD", "PUT", "HEAD"], ["HEAD"]:
        proxy.requests.clear()
        upload("s3", proxy.url("once"), s.archive, **s.options()).succeeded(proxy.url("once"), s.archive)
        assert proxy.requests == expected, proxy.requests
    proxy.close()


def test_another_of_that_name(s):
    other = harness.make_archive(s.folder, 2_999_999, "other")
    upload("s3", s.url("name"), other, **s.options()).succeeded(s.url("name"), other)
    upload("s3", s.url("name"), s.archive, **s.options()).succeeded(s.url("name"), s.archive)
    s.stored("name", s.archive)


def test_parts(s):
    big = harness.make_archive(s.folder, 13_000_001, "big")
    proxy = Proxy(s)
    upload("s3", proxy.url("big"), big, **s.options()).succeeded(proxy.url("big"), big)
    kinds = [request.split("&")[0] for request in proxy.requests]
    assert [k.split("=")[0] for k in kinds] == [
        "HEAD", "POST uploads", "PUT partNumber", "PUT partNumber", "PUT partNumber", "POST uploadId", "HEAD"], kinds
    s.stored("big", big)
    # Whole ones only: the last part has all of the others' size.
    even = harness.make_archive(s.folder, 10 << 20, "even")
    upload("s3", proxy.url("even"), even, **s.options()).succeeded(proxy.url("even"), even)
    s.stored("even", even)
    proxy.close()


def test_parts_that_fail_are_removed(s):
    big = harness.make_archive(s.folder, 13_000_001, "big")

    def cut(connection, request, n):
        if request.startswith("PUT partNumber=2&"):
            connection.recv(100_000)
            return True

    proxy = Proxy(s, cut)
    upload("s3", proxy.url("cut"), big, **s.options()).failed("localhost")
    assert proxy.requests[-1].startswith("DELETE uploadId="), proxy.requests
    proxy.act = None
    upload("s3", proxy.url("cut"), big, **s.options()).succeeded(proxy.url("cut"), big)
    s.stored("cut", big)
    proxy.close()


def test_cancelled_parts_are_removed(s):
    big = harness.make_archive(s.folder, 13_000_001, "big")
    reached, go_on = threading.Event(), threading.Event()

    def hold(connection, request, n):
        if request.startswith("PUT partNumber=2&"):
            reached.set()
            go_on.wait(harness.WAIT_SEC)
            return True

    proxy = Proxy(s, hold)
    u = Upload("s3", proxy.url("cancelled"), big, **s.options())
    assert reached.wait(harness.WAIT_SEC)
    u.cancel().is_clean()
    go_on.set()
    harness.wait_for(lambda: proxy.requests[-1].startswith("DELETE uploadId="), "the parts are removed")
    assert "cancelled" not in s.names()
    proxy.close()


def test_refusals(s):
    wrong = s.options(secret="wrong-" + "x" * 10)
    upload("s3", s.url("no"), s.archive, **wrong).refused("SignatureDoesNotMatch")
    upload("s3", s.url("no"), s.archive, **s.options(user="test:nobody")).refused("403")
    upload("s3", s.url("no"), s.archive, **s.options(region="us-west-9")).refused("AuthorizationHeaderMalformed")
    nowhere = f"https://localhost:{s.port}/no-such-bucket/no"
    upload("s3", nowhere, s.archive, **s.options()).refused("NoSuchBucket")
    assert "no" not in s.names()


def test_content_that_changes_on_the_way(s):
    """The store itself finds that: it compares the content with the hash that was signed."""

    proxy = Proxy(s)
    # What arrives is not what was signed: a byte is another.
    original = http.client.HTTPSConnection.endheaders

    def endheaders(self, body=None, **kw):
        if body and len(body) > 1000:
            body = body[:1000] + bytes([body[1000] ^ 1]) + body[1001:]
        return original(self, body, **kw)

    http.client.HTTPSConnection.endheaders = endheaders
    try:
        upload("s3", proxy.url("flipped"), s.archive, **s.options()).failed("localhost")
    finally:
        http.client.HTTPSConnection.endheaders = original
    assert "flipped" not in s.names()
    proxy.close()


def test_failure_at_the_end_of_parts(s):
    """As S3 does it: 200, and then it says that it went wrong."""
    big = harness.make_archive(s.folder, 13_000_001, "big")

    def fail(connection, request, n):
        if request.startswith("POST uploadId="):
            body = b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>Again, please.</Message></Error>"
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
            return True

    proxy = Proxy(s, fail)
    upload("s3", proxy.url("end"), big, **s.options()).failed("InternalError")
    proxy.close()


if __name__ == "__main__":
    if not importlib.util.find_spec("swift"):
        print("1..0 # SKIP not installed: python3-swift")
        sys.exit(0)
    harness.run([f for name, f in list(globals().items()) if name.startswith("test_")], State)
