# SPDX-License-Identifier: LGPL-2.1-or-later

"""What the tests of the upload program share: certificates, servers, the daemon's side of the socket, and TAP."""

import hashlib
import json
import os
import random
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback

UPLOAD = sys.argv[1] if len(sys.argv) > 1 else None
WAIT_SEC = 30

SECRET = "open-sesame-4711"
ARCHIVE = "mmiotrace-10de1c82-GP107-GeForce_GTX_1050_Ti-nvidia_550.54-20261121T201500Z.tar.xz"
DESCRIPTION = "Started glxgears, then moved its window.\nDüsseldorf, 100 % of the time. " + "A long line. " * 20 + "\n"


class Skip(Exception):
    """The test cannot run here."""


class Certificates:
    """An authority of the tests' own, a server's certificate from it, and one from another authority."""

    def __init__(self, folder):
        self.ca = self._authority(folder, "ca")
        self._authority(folder, "stranger")
        self.cert, self.key = self._server(folder, "localhost", "ca")
        self.stranger_cert, self.stranger_key = self._server(folder, "localhost", "stranger")
        self.other_cert, self.other_key = self._server(folder, "elsewhere.example", "ca")

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _authority(self, folder, name):
        base = os.path.join(folder, name)
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                      "-subj", f"/CN=Test authority {name}", "-keyout", base + ".key", "-out", base + ".pem")
        return base + ".pem"

    def _server(self, folder, host, authority):
        base = os.path.join(folder, f"{authority}-{host}")
        ca = os.path.join(folder, authority)
        with open(base + ".ext", "w") as f:
            f.write(f"subjectAltName=DNS:{host}\n")
        self._openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                      "-subj", f"/CN={host}", "-keyout", base + ".key", "-out", base + ".csr")
        self._openssl("x509", "-req", "-in", base + ".csr", "-CA", ca + ".pem", "-CAkey", ca + ".key", "-CAcreateserial",
                      "-days", "2", "-extfile", base + ".ext", "-out", base + ".pem")
        return base + ".pem", base + ".key"

    def server_context(self, cert=None, key=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert or self.cert, key or self.key)
        return context


def free_port():
    """Below those that the kernel gives to clients, so that nothing takes it meanwhile but another like us."""
    for _ in range(1000):
        port = random.SystemRandom().randrange(10000, 30000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass
    raise RuntimeError("there is no free port")


def wait_for(condition, what):
    deadline = time.monotonic() + WAIT_SEC
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.02)


class Upload:
    """One run of the program, as the daemon would start it over the socket unit."""

    def __init__(self, method, url, archive, *, description=DESCRIPTION, secret=None, ca=None, env=None, **target):
        self.bytes, self.receipt, self.sha256, self.error, self.retry_after = [], None, None, None, None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = subprocess.Popen([UPLOAD], stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=env)
        theirs.close()
        self.socket = ours
        self.socket.settimeout(WAIT_SEC * 2)
        job = {"method": method, "url": url, "name": "lab", "archive": ARCHIVE, "description": description,
               "id": "6e8bc430b9d54a3eb2a9d1e5c0f1a2b3", "part_bytes": 5 << 20, "max_bytes": 0,
               "timeout_usec": 5_000_000, "file_field": "file", "region": "eu-test-1",
               "has_secret": secret is not None, "has_ca": ca is not None, **target}
        fds = [os.open(archive, os.O_RDONLY)]
        # The daemon reads none of it, so its offset is wherever.
        os.lseek(fds[0], 17, os.SEEK_SET)
        if secret is not None:
            fds.append(os.memfd_create("secret"))
            os.write(fds[-1], secret.encode())
        if ca is not None:
            fds.append(os.open(ca, os.O_RDONLY))
        socket.send_fds(ours, [json.dumps(job).encode()], fds)
        for fd in fds:
            os.close(fd)

    def next_line(self):
        """One line as (key, value); None at the end."""
        line = self.socket.recv(65536).decode()
        if not line:
            return None
        assert line.endswith("\n") and line.count("\n") == 1, line
        key, _, value = line[:-1].partition("=")
        if key == "BYTES":
            self.bytes.append(int(value))
        elif key == "ERROR":
            self.error = value
        elif key == "RECEIPT":
            self.receipt = value
        elif key == "SHA256":
            self.sha256 = value
        elif key == "RETRY_AFTER":
            self.retry_after = int(value)
        else:
            raise AssertionError("unknown line: " + line)
        return key, value

    def finish(self):
        while self.next_line():
            pass
        self.socket.close()
        _, self.stderr = self.process.communicate(timeout=WAIT_SEC)
        self.status = self.process.returncode
        return self

    def cancel(self):
        """As the daemon does it: nobody listens any more."""
        self.socket.close()
        _, self.stderr = self.process.communicate(timeout=WAIT_SEC)
        self.status = self.process.returncode
        return self

    def succeeded(self, receipt, archive):
        assert self.error is None and self.status == 0, (self.error, self.status, self.stderr)
        assert self.receipt == receipt, self.receipt
        assert self.sha256 == digest(archive), self.sha256
        assert self.bytes[-1] == os.path.getsize(archive), self.bytes
        return self.is_clean()

    def failed(self, *parts):
        """It may work later."""
        return self._ended("SubmitFailed ", parts)

    def refused(self, *parts):
        return self._ended("SubmitRefused ", parts)

    def _ended(self, kind, parts):
        assert self.receipt is None and self.error is not None and self.status == 1, (self.receipt, self.error, self.status)
        assert self.error.startswith(kind), self.error
        for part in parts:
            assert part in self.error, (part, self.error)
        return self.is_clean()

    def is_clean(self):
        assert SECRET not in str(self.error) + str(self.receipt) + self.stderr.decode(), "the secret came out"
        return self


def upload(*arguments, **options):
    return Upload(*arguments, **options).finish()


def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def make_archive(folder, size, name="archive"):
    path = os.path.join(folder, name)
    with open(path, "wb") as f:
        f.write(random.Random(size).randbytes(size))
    return path


class ScriptedServer:
    """A TCP server whose every connection goes to a function, for what no good server does."""

    def __init__(self, serve, context=None):
        self.n_connections = 0
        self._serve, self._context = serve, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.errors = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.n_connections += 1
            threading.Thread(target=self._handle, args=(connection, self.n_connections), daemon=True).start()

    def _handle(self, connection, number):
        try:
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection:
                self._serve(connection, number)
        except OSError as e:
            self.errors.append(e)

    def close(self):
        # Wakes accept(), which close() alone does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def run(tests, setup=None, needs=()):
    """Runs functions that take the state that setup(folder) makes and its start() fills; prints TAP."""
    missing = [program for program in (*needs, "openssl") if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")]
    if missing:
        print("1..0 # SKIP not installed: " + " ".join(missing))
        return
    # Swift keeps metadata in extended attributes, which not every tmpfs has.
    folder = tempfile.mkdtemp(prefix="mmiotraced-upload-", dir=os.environ.get("TMPDIR", "/var/tmp"))
    state, n_failed = None, 0
    try:
        state = setup(folder)
        state.start()
        print(f"1..{len(tests)}", flush=True)
        for i, test in enumerate(tests, 1):
            name = test.__name__.removeprefix("test_")
            try:
                test(state)
                print(f"ok {i} - {name}", flush=True)
            except Skip as e:
                print(f"ok {i} - {name} # SKIP {e}", flush=True)
            except Exception:
                n_failed += 1
                print(f"not ok {i} - {name}", flush=True)
                print("".join("# " + line + "\n" for line in traceback.format_exc().splitlines()), flush=True)
    finally:
        if state:
            state.close()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if n_failed else 0)
