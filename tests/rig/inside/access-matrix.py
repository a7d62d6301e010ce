#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each method of the daemon, called by everybody there is, against the polkit that Debian has.

Who may call what is the table of tests/bus/test-access.c, which is read here: access-matrix.py TABLE ACCESS-CALL. A method
that is on the bus and not in the table fails the test.
"""

import glob
import json
import os
import pty
import pwd
import re
import select
import subprocess
import sys
import termios
import time
import xml.etree.ElementTree as ET

BUS = "org.freedesktop.MmioTrace"
ROOT = "/org/freedesktop/MmioTrace"
INTERFACES = {"MANAGER": BUS + "1.Manager", "SESSION": BUS + "1.Session", "JOB": BUS + "1.Job"}
ASK = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
DENIED = "org.freedesktop.DBus.Error.AccessDenied"
OWNER, OTHER, ADMIN, PASSWORD = "tracer", "other", "manager", "sesame"
CALL = sys.argv[2]
failed = 0


def ok(name):
    print("ok " + name, flush=True)


def not_ok(name, why):
    global failed
    failed = 1
    print(f"not ok {name}: {why}", flush=True)


def run(*command, check=True):
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if check and result.returncode != 0:
        sys.exit(f"Bail out! {' '.join(command)}: {result.returncode}: {result.stdout}{result.stderr}")
    return result.stdout


def wait_for(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit("Bail out! " + what)
        time.sleep(0.1)


class Row:
    def __init__(self, interface, method, types, action, owner_may, quiet, second):
        self.interface, self.method, self.types, self.action = interface, method, types, action
        # Two permissions are those for an address that is no target of the configuration.
        self.owner_may, self.quiet, self.anywhere = owner_may, quiet, second
        self.name = interface.rsplit(".", 1)[1] + "." + method + (" anywhere" if second else "")
        # Of a session that captures; of the others it is a sealed one.
        self.live = method in ("Mark", "Stop")


def read_table(path):
    line = re.compile(r'\{ BUS_INTERFACE_(\w+), "(\w+)", [^"{},]+(?:"[^"]*")?, "([^"]*)", (NULL|AUTH_\w+), (true|false)'
                      r'(?:, (NULL|AUTH_\w+))?(?:, (true|false))? \}')
    return [Row(INTERFACES[i], m, t, None if a == "NULL" else a, o == "true", q == "true", second not in ("", "NULL"))
            for i, m, t, a, o, second, q in line.findall(open(path, encoding="utf-8").read())]


def managed():
    reply = json.loads(run("busctl", "--json=short", "call", BUS, ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"))
    return reply["data"][0]


def state():
    return json.loads(run("busctl", "--json=short", "get-property", BUS, ROOT, INTERFACES["MANAGER"], "State"))["data"]


def last_session():
    """The newest of the owner's."""
    uid = pwd.getpwnam(OWNER).pw_uid
    sessions = {p: i[INTERFACES["SESSION"]] for p, i in managed().items() if INTERFACES["SESSION"] in i}
    ids = [int(p.rsplit("_", 1)[1]) for p, s in sessions.items()
           if s["Owner"]["data"] == uid and s["State"]["data"] in ("sealed", "capturing")]
    return f"{ROOT}/session/_{max(ids)}" if ids else None


def session_state(path):
    return managed()[path][INTERFACES["SESSION"]]["State"]["data"] if path else None


def job():
    return next((p for p, i in managed().items() if INTERFACES["JOB"] in i), None)


def snapshot():
    """All that a call which is refused must leave alone; not what moves by itself while a session captures."""
    keys = ("State", "Result", "MarkCount", "Protected", "StopReason", "Archive", "Description")
    found = {p: {k: v["data"] for k, v in i.get(INTERFACES["SESSION"], {}).items() if k in keys} for p, i in managed().items()}
    files = sorted(glob.glob("/etc/mmiotraced/**", recursive=True))
    return state(), found, files, open("/sys/devices/system/cpu/online", encoding="ascii").read()


def may(user, yes):
    """polkit's rule for that user, see below."""
    if yes:
        open(f"/run/{user}-may", "w", encoding="ascii").close()
    else:
        os.unlink(f"/run/{user}-may")


def capture():
    may(OWNER, True)
    run("runuser", "-u", OWNER, "--", "mmiotracectl", "-q", "start")
    may(OWNER, False)


def make_sealed():
    capture()
    run("mmiotracectl", "-q", "stop", "--wait")


def prepare(row):
    """The daemon as that method needs it."""
    if state() != "idle" and (not row.live or session_state(last_session()) != "capturing"):
        run("mmiotracectl", "-q", "stop", "--wait")
    if row.live and state() != "capturing":
        capture()
    if row.interface == INTERFACES["SESSION"] and not last_session():
        make_sealed()
    if (row.method == "Submit" or row.interface == INTERFACES["JOB"]) and not last_session():
        make_sealed()
    if row.interface != INTERFACES["JOB"] and job():
        for path, interfaces in managed().items():
            if interfaces.get(INTERFACES["JOB"], {}).get("Type", {}).get("data") == "submit":
                run(CALL, "root", "quiet", path, INTERFACES["JOB"], "Cancel")
        wait_for(lambda: not job(), "a job does not end")
    if row.interface == INTERFACES["JOB"] and not job():
        run("mmiotracectl", "-q", "submit", last_session().rsplit("_", 1)[1], "--to=silent", "--yes", "--no-block")
        wait_for(job, "the submission does not begin")


def words(row):
    """What access-call is to be given."""
    path = {"MANAGER": lambda: ROOT, "SESSION": last_session, "JOB": job}[row.interface.rsplit(".", 1)[1].upper()]()
    result = [path, row.interface, row.method]
    for kind in row.types.replace("a{sv}", ""):
        result += [kind, {"s": "text", "o": last_session(), "b": "false"}[kind]]
    return result + (["url", "https://localhost:8443/drop/"] if row.anywhere else [])


def call(user, row, way="quiet"):
    return run(CALL, user, way, *words(row)).strip()


def call_with_password(user, row):
    """On a terminal, with the agent of polkit's that mmiotracectl starts as well, and the password typed when it asks."""
    # The agent is for one process: that which becomes the caller, when the agent is there.
    script = ("f=$(mktemp -u); mkfifo $f; pkttyagent --process $$ --notify-fd 3 --fallback 3>$f & read -r _ <$f; rm $f; "
              f"exec {CALL} {user} ask {' '.join(words(row))} >$HOME/answer")
    answer = f"/home/{user}/answer"
    if os.path.exists(answer):
        os.unlink(answer)
    pid, fd = pty.fork()
    if pid == 0:
        # With a session, as polkit 122 finds an agent of last resort only for processes that are in one; and on this very
        # terminal, so that its echo is the one that the agent switches off.
        os.execvp("runuser", ["runuser", "-l", user, "--session-command", script])
    seen, asked = b"", 0
    while select.select([fd], [], [], 120)[0]:
        try:
            data = os.read(fd, 4096)
        except OSError:
            break
        if not data:
            break
        seen += data
        if seen.count(b"assword:") > asked:
            asked += 1
            # The prompt comes before the echo is off, and what is typed until then is thrown away with that.
            wait_for(lambda: not termios.tcgetattr(fd)[3] & termios.ECHO, "the agent leaves the echo on", 20)
            os.write(fd, PASSWORD.encode() + b"\n")
    os.waitpid(pid, 0)
    if not os.path.exists(answer):
        return "no answer: " + seen.decode(errors="replace")
    return open(answer, encoding="utf-8").read().strip() + ("" if asked else " without a password")


def is_permitted(answer):
    # What it says once it may is another matter: a target that is not there, nothing to take back.
    return answer not in (ASK, DENIED, "") and "answer" not in answer and "password" not in answer


def expect_permitted(row, who, caller):
    prepare(row)
    answer = caller()
    if is_permitted(answer):
        ok(f"{row.name} by {who} ({answer.rsplit('.', 1)[-1]})")
    else:
        not_ok(f"{row.name} by {who}", answer)


def expect_refused(row, who, error, caller):
    prepare(row)
    before = snapshot()
    answer = caller()
    after = snapshot()
    if answer != error:
        not_ok(f"{row.name} by {who}", answer)
    elif before != after:
        not_ok(f"{row.name} by {who}", f"it has changed {before} to {after}")
    else:
        ok(f"{row.name} by {who}, refused")


def check_table(rows):
    known = {(r.interface, r.method) for r in rows}
    for path in [ROOT, last_session(), job()]:
        xml = run("busctl", "--xml-interface", "introspect", BUS, path)
        for interface in ET.fromstring(xml[xml.index("<node"):]).findall("interface"):
            for method in interface.findall("method"):
                if interface.get("name") in INTERFACES.values() and (interface.get("name"), method.get("name")) not in known:
                    not_ok("table", f"{interface.get('name')}.{method.get('name')} is not in it")


def gone(row):
    """Somebody whom polkit would permit it leaves before it has answered."""
    prepare(row)
    before = snapshot()
    polkitd = run("systemctl", "show", "-P", "MainPID", "polkit").strip()
    may(OTHER, True)
    run("kill", "-STOP", polkitd)
    answer = call(OTHER, row, "leave")
    run("kill", "-CONT", polkitd)
    # polkit has answered the first question when it answers the second.
    check = run(CALL, OTHER, "quiet", ROOT, INTERFACES["MANAGER"], "Check").strip()
    may(OTHER, False)
    after = snapshot()
    if answer != "ok" or check != "ok":
        not_ok(f"{row.name} by who is gone", f"{answer}, {check}")
    elif before != after:
        not_ok(f"{row.name} by who is gone", f"it was done: {before} became {after}")
    else:
        ok(f"{row.name} by who is gone, not done")


def main():
    rows = read_table(sys.argv[1])
    if len(rows) < 20:
        sys.exit(f"Bail out! only {len(rows)} rows can be read from the table")
    make_sealed()
    prepare(next(r for r in rows if r.interface == INTERFACES["JOB"]))
    check_table(rows)
    for row in rows:
        if row.action is None or row.quiet:
            expect_permitted(row, "anybody", lambda: call(OTHER, row))
            continue
        expect_refused(row, "another user", ASK, lambda: call(OTHER, row))
        if not row.owner_may:
            expect_refused(row, "the owner", ASK, lambda: call(OWNER, row))
        expect_refused(row, "an administrator who is not asked", ASK, lambda: call(ADMIN, row))
        gone(row)
        if row.owner_may and row.interface != INTERFACES["JOB"]:
            expect_permitted(row, "the owner", lambda: call(OWNER, row))
        expect_permitted(row, "an administrator with a password", lambda: call_with_password(ADMIN, row))
        expect_permitted(row, "root", lambda: call("root", row))
    # The owner can begin a session only while there is a polkit that permits it: first what needs one that captures.
    capture()
    run("systemctl", "mask", "--runtime", "--now", "polkit.service")
    for row in sorted(rows, key=lambda row: not row.live):
        if row.action is not None and not row.quiet:
            expect_refused(row, "another user without polkit", DENIED, lambda: call(OTHER, row))
        if row.method == "Mark":
            expect_permitted(row, "the owner without polkit", lambda: call(OWNER, row))
    return failed


sys.exit(main())
