#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later

"""Uploads by HTTP: to nginx, and to servers that behave badly."""

import email
import email.policy
import os
import socket
import subprocess
import sys
import time

import harness
from harness import ARCHIVE, DESCRIPTION, SECRET, ScriptedServer, Upload, upload

NGINX_CONF = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {body_folder};
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {cert};
        ssl_certificate_key {key};
        root {folder}/files;
        location / {{ dav_methods PUT; create_full_put_path on; }}
        location /token/ {{
            if ($http_authorization != "Bearer {secret}") {{ return 401; }}
            dav_methods PUT; create_full_put_path on;
        }}
        location /header/ {{
            if ($http_private_token != "{secret}") {{ return 403; }}
            if ($http_x_project != "nouveau") {{ return 403; }}
            dav_methods PUT; create_full_put_path on;
        }}
        location /basic/ {{
            auth_basic lab; auth_basic_user_file {folder}/htpasswd;
            dav_methods PUT; create_full_put_path on;
        }}
        location /forbidden/ {{ return 403; }}
        location /small/ {{ client_max_body_size 1m; dav_methods PUT; create_full_put_path on; }}
        location /moved/ {{ rewrite ^/moved/(.*)$ https://localhost:{port}/new/$1 break; return 307 $uri; }}
        location /away/ {{ return 307 https://elsewhere.example:{port}$request_uri; }}
        location /port/ {{ return 308 https://localhost:1$request_uri; }}
        location /down/ {{ return 307 http://localhost:{port}$request_uri; }}
        location /loop/ {{ return 307 $request_uri; }}
        location /see-other/ {{ return 303 /new/x; }}
        location /busy/ {{ add_header Retry-After 120 always; return 503; }}
        location /write-only/ {{
            if ($request_method = HEAD) {{ return 403; }}
            dav_methods PUT; create_full_put_path on;
        }}
    }}
}}
"""


class State:
    def __init__(self, folder):
        self.folder, self.nginx = folder, None

    def start(self):
        folder = self.folder
        self.certificates = harness.Certificates(folder)
        self.ca = self.certificates.ca
        self.archive = harness.make_archive(folder, 3_000_000)
        self.nginx, self.port = self.start_nginx(folder)

    def start_nginx(self, folder, body_folder=None, prefix=()):
        port = harness.free_port()
        os.makedirs(os.path.join(folder, "files"), exist_ok=True)
        subprocess.run(["openssl", "passwd", "-apr1", SECRET], check=True, stdout=open(folder + "/password", "w"))
        with open(folder + "/htpasswd", "w") as f:
            f.write("lab:" + open(folder + "/password").read())
        with open(folder + "/nginx.conf", "w") as f:
            f.write(NGINX_CONF.format(
                folder=folder, port=port, cert=self.certificates.cert, key=self.certificates.key, secret=SECRET,
                user="user root;" if os.geteuid() == 0 else "", body_folder=body_folder or folder + "/body"))
        process = subprocess.Popen([*prefix, "/usr/sbin/nginx", "-p", folder, "-c", folder + "/nginx.conf"],
                                   stdin=subprocess.DEVNULL, stderr=open(folder + "/nginx.err", "w"))

        def listens():
            assert process.poll() is None, open(folder + "/nginx.err").read()
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0

        harness.wait_for(listens, "nginx listens")
        return process, port

    def url(self, path=""):
        return f"https://localhost:{self.port}/{path}"

    def stored(self, path):
        path = os.path.join(self.folder, "files", path)
        assert os.path.exists(path), path
        assert harness.digest(path) == harness.digest(self.archive)

    def access_log(self):
        with open(self.folder + "/access.log") as f:
            return f.read().splitlines()

    def close(self):
        if self.nginx:
            self.nginx.terminate()
            self.nginx.wait()


def test_put(s):
    url = s.url("10de/1c82/nvidia/" + ARCHIVE)
    upload("put", url, s.archive, ca=s.ca).succeeded(url, s.archive)
    s.stored("10de/1c82/nvidia/" + ARCHIVE)
    # A second time is the same file again, not another.
    upload("put", url, s.archive, ca=s.ca).succeeded(url, s.archive)
    assert os.listdir(s.folder + "/files/10de/1c82/nvidia") == [ARCHIVE]


def test_put_reports_progress(s):
    big = harness.make_archive(s.folder, 40_000_000, "big")
    u = upload("put", s.url("big"), big, ca=s.ca).succeeded(s.url("big"), big)
    assert u.bytes == sorted(u.bytes), u.bytes


def test_query_is_no_receipt(s):
    upload("put", s.url("signed?key=" + SECRET), s.archive, ca=s.ca).succeeded(s.url("signed"), s.archive)


def test_credentials(s):
    url = s.url("token/a")
    upload("put", url, s.archive, ca=s.ca, secret=SECRET + "\n").succeeded(url, s.archive)
    upload("put", url, s.archive, ca=s.ca).refused("401", "SecretFile=")
    upload("put", url, s.archive, ca=s.ca, secret="wrong").refused("401", "[Target lab]")
    url = s.url("header/a")
    upload("put", url, s.archive, ca=s.ca, secret=SECRET, secret_header="PRIVATE-TOKEN",
           headers=["X-Project: nouveau"]).succeeded(url, s.archive)
    url = s.url("basic/a")
    upload("put", url, s.archive, ca=s.ca, secret=SECRET, user="lab").succeeded(url, s.archive)
    upload("put", url, s.archive, ca=s.ca, secret="no", user="lab").refused("401")
    s.stored("basic/a")


def test_empty_secret(s):
    upload("put", s.url("a"), s.archive, ca=s.ca, secret="\n").refused("SecretFile=")


def test_refusals(s):
    upload("put", s.url("forbidden/a"), s.archive, ca=s.ca).refused("403")
    upload("put", s.url("small/a"), s.archive, ca=s.ca).refused("413", "size")
    upload("put", s.url("a"), s.archive, ca=s.ca, max_bytes=1 << 20).refused("2.9M", "1.0M", "MaxSize=")
    assert not os.path.exists(s.folder + "/files/small/a")


def test_server_asks_for_a_pause(s):
    u = upload("put", s.url("busy/a"), s.archive, ca=s.ca).failed("503")
    assert u.retry_after == 120, u.retry_after


def test_writing_only(s):
    url = s.url("write-only/a")
    upload("put", url, s.archive, ca=s.ca).succeeded(url, s.archive)


def test_redirects(s):
    url = s.url("moved/here")
    upload("put", url, s.archive, ca=s.ca).succeeded(url, s.archive)
    s.stored("new/here")
    for path in "away/a", "port/a", "down/a":
        upload("put", s.url(path), s.archive, ca=s.ca, secret=SECRET).refused("another server")
    upload("put", s.url("loop/a"), s.archive, ca=s.ca).refused("circles")
    upload("put", s.url("see-other/a"), s.archive, ca=s.ca).refused("303")


def test_server_down(s):
    upload("put", f"https://localhost:{harness.free_port()}/a", s.archive, ca=s.ca).failed("connect")


def test_unknown_host(s):
    upload("put", "https://no-such-host.invalid/a", s.archive, ca=s.ca).failed("no-such-host.invalid")


def test_certificates(s):
    c = s.certificates
    # A good one, of an authority that only the target trusts, and not the system.
    upload("put", s.url("a"), s.archive).refused("certificate")
    for cert, key in (c.stranger_cert, c.stranger_key), (c.other_cert, c.other_key):
        server = ScriptedServer(lambda connection, n: connection.recv(1), c.server_context(cert, key))
        upload("put", f"https://localhost:{server.port}/a", s.archive, ca=s.ca).refused("localhost")
        server.close()


def test_no_tls(s):
    heard = []
    server = ScriptedServer(lambda connection, n: heard.append(connection.recv(4096)))
    upload("put", f"https://localhost:{server.port}/a", s.archive, ca=s.ca, secret=SECRET).failed()
    server.close()
    assert heard and all(SECRET.encode() not in data and b"HTTP" not in data for data in heard), heard
    upload("put", f"http://localhost:{s.port}/a", s.archive, ca=s.ca).refused("http")
    upload("put", "file:///etc/passwd", s.archive, ca=s.ca).refused()


def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(4096)
        if not data:
            raise OSError("closed")
        head += data
    head, _, rest = head.partition(b"\r\n\r\n")
    return head.decode(), rest


def read_body(connection, head, rest):
    if "100-continue" in head:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length:"))
    while len(rest) < length:
        data = connection.recv(65536)
        if not data:
            raise OSError("closed")
        rest += data
    return rest


def answer(connection, status, body=b"", *headers):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    connection.sendall("\r\n".join(lines).encode() + body)


def test_failure_that_passes(s):
    def serve(connection, n):
        head, rest = read_head(connection)
        if not head.startswith("HEAD"):
            read_body(connection, head, rest)
        answer(connection, "500 Oops" if n == 1 else "404 Not Found" if head.startswith("HEAD") else "201 Created")

    server = ScriptedServer(serve, s.certificates.server_context())
    url = f"https://localhost:{server.port}/a"
    upload("put", url, s.archive, ca=s.ca).failed("500")
    upload("put", url, s.archive, ca=s.ca).succeeded(url, s.archive)
    server.close()


def test_connection_cut(s):
    def serve(connection, n):
        head, _ = read_head(connection)
        if "100-continue" in head:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.recv(100_000)

    server = ScriptedServer(serve, s.certificates.server_context())
    upload("put", f"https://localhost:{server.port}/a", s.archive, ca=s.ca).failed("localhost")
    server.close()


def test_answer_lost(s):
    def serve(connection, n):
        head, rest = read_head(connection)
        read_body(connection, head, rest)

    server = ScriptedServer(serve, s.certificates.server_context())
    upload("put", f"https://localhost:{server.port}/a", s.archive, ca=s.ca).failed("localhost")
    server.close()


def test_slow_servers(s):
    def takes_nothing(connection, n):
        head, _ = read_head(connection)
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(harness.WAIT_SEC)

    def answers_by_the_letter(connection, n):
        head, rest = read_head(connection)
        read_body(connection, head, rest)
        for c in "HTTP/1.1 201 Created\r\n" + "X-Long: x\r\n" * 1000:
            connection.sendall(c.encode())
            time.sleep(0.2)

    servers = [ScriptedServer(serve, s.certificates.server_context()) for serve in (takes_nothing, answers_by_the_letter)]
    started = time.monotonic()
    for u in [Upload("put", f"https://localhost:{server.port}/a", s.archive, ca=s.ca, timeout_usec=1_000_000)
              for server in servers]:
        u.finish().failed("localhost")
    assert time.monotonic() - started < harness.WAIT_SEC
    for server in servers:
        server.close()


def test_endless_answer(s):
    def serve(connection, n):
        head, rest = read_head(connection)
        read_body(connection, head, rest)
        answer(connection, "201 Created", b"x" * 20_000_000)

    server = ScriptedServer(serve, s.certificates.server_context())
    url = f"https://localhost:{server.port}/a"
    upload("post", url, s.archive, ca=s.ca).succeeded(url, s.archive)
    server.close()


def test_part_of_it_kept(s):
    def serve(connection, n):
        head, rest = read_head(connection)
        if head.startswith("HEAD"):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Type: application/x-xz\r\n\r\n")
            return
        read_body(connection, head, rest)
        answer(connection, "201 Created")

    server = ScriptedServer(serve, s.certificates.server_context())
    upload("put", f"https://localhost:{server.port}/a", s.archive, ca=s.ca).failed("10 bytes", "3000000")
    server.close()


def test_disk_full_at_server(s):
    folder = s.folder + "/full"
    os.makedirs(folder + "/tmpfs")
    prefix = ["unshare", "--mount", "sh", "-c",
              f'mount -t tmpfs -o size=1m tmpfs {folder}/tmpfs && exec "$@"', "sh"]
    if os.geteuid() != 0:
        prefix[1:1] = ["--map-root-user"]
    if subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        raise harness.Skip("a file system cannot be mounted here")
    process, port = s.start_nginx(folder, folder + "/tmpfs", prefix)
    try:
        upload("put", f"https://localhost:{port}/a", s.archive, ca=s.ca).failed("500")
    finally:
        process.terminate()
        process.wait()
    assert not os.path.exists(folder + "/files/a")


def test_cancel(s):
    stopped = []

    def serve(connection, n):
        head, _ = read_head(connection)
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while True:
            # Slow, so that it is in the middle.
            time.sleep(0.01)
            if not connection.recv(8192):
                stopped.append(True)
                return

    server = ScriptedServer(serve, s.certificates.server_context())
    for how in "close", "signal":
        stopped.clear()
        u = Upload("put", f"https://localhost:{server.port}/a", s.archive, ca=s.ca)
        while not u.bytes:
            assert u.next_line()
        if how == "close":
            u.cancel()
        else:
            u.process.terminate()
            u.finish()
            assert u.receipt is None
        assert u.status == 1, u.status
        harness.wait_for(lambda: stopped or server.errors, "the server sees the end")
    server.close()


def test_post(s):
    got = {}

    def serve(connection, n):
        head, rest = read_head(connection)
        got["head"], got["body"] = head, read_body(connection, head, rest)
        answer(connection, "201 Created", b"", "Location: https://traces.example/42?t=1")

    server = ScriptedServer(serve, s.certificates.server_context())
    url = f"https://localhost:{server.port}/form?project=x"
    for description_field in "", "text":
        upload("post", url, s.archive, ca=s.ca, secret=SECRET, file_field="trace",
               description_field=description_field).succeeded("https://traces.example/42", s.archive)
        _, _, headers = got["head"].partition("\r\n")
        assert f"Authorization: Bearer {SECRET}" in headers
        assert 'Idempotency-Key: "6e8bc430b9d54a3eb2a9d1e5c0f1a2b3"' in headers
        message = email.message_from_bytes(headers.encode() + b"\r\n\r\n" + got["body"], policy=email.policy.HTTP)
        parts = {part.get_param("name", header="content-disposition"): part for part in message.iter_parts()}
        assert parts["trace"].get_filename() == ARCHIVE
        assert parts["trace"].get_payload(decode=True) == open(s.archive, "rb").read()
        assert ("text" in parts) == bool(description_field)
        if description_field:
            assert parts["text"].get_payload(decode=True).decode() == DESCRIPTION
    server.close()


def test_post_answers(s):
    def serve(connection, n):
        head, rest = read_head(connection)
        read_body(connection, head, rest)
        answer(connection, *answers[n - 1])

    answers = [("200 OK", b"https://paste.example/x.xz\n"), ("200 OK", b"Thank you!"),
               ("200 OK", b"https://paste.example/" + SECRET.encode()), ("302 Found", b"", "Location: /login")]
    server = ScriptedServer(serve, s.certificates.server_context())
    url = f"https://localhost:{server.port}/form"
    upload("post", url, s.archive, ca=s.ca).succeeded("https://paste.example/x.xz", s.archive)
    upload("post", url, s.archive, ca=s.ca).succeeded(url, s.archive)
    upload("post", url, s.archive, ca=s.ca, secret=SECRET).succeeded(url, s.archive)
    upload("post", url, s.archive, ca=s.ca).refused("302")
    server.close()


def test_junk_on_the_socket(s):
    for junk in b"", b"{}", b"no json", b'{"method":"put","url":"https://localhost/"}', b"[" * 60000:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        process = subprocess.Popen([harness.UPLOAD], stdin=theirs, stdout=theirs, stderr=subprocess.PIPE)
        theirs.close()
        ours.settimeout(harness.WAIT_SEC)
        if junk:
            ours.send(junk)
        else:
            ours.shutdown(socket.SHUT_WR)
        assert ours.recv(4096).startswith(b"ERROR=SubmitFailed "), junk
        _, stderr = process.communicate(timeout=harness.WAIT_SEC)
        assert process.returncode == 1 and not stderr, stderr
        ours.close()


if __name__ == "__main__":
    harness.run([f for name, f in list(globals().items()) if name.startswith("test_")], State, ["nginx"])
