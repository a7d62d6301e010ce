#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Users with and without permission, against the polkit that Debian has.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

rule=/etc/polkit-1/rules.d/10-mmiotraced-test.rules

make_users() {
    useradd -m tracer && useradd -m other && useradd -m -G sudo manager && echo 'manager:sesame' | chpasswd
}
make_users || give_up "cannot make users"

# as USER ARGUMENTS…: of mmiotracectl, with nobody there to be asked.
as() {
    local user=$1
    shift
    runuser -u "$user" -- mmiotracectl --json=short "$@" >/tmp/answer 2>/tmp/errors </dev/null
}

# refused NAME ERROR USER ARGUMENTS…
refused() {
    local name=$1 error=$2 state
    shift 2
    state=$(daemon_state)
    if as "$@"; then
        not_ok "$name" "it was done"
    elif ! grep -q "\"error\":\"$error\"" /tmp/answer; then
        not_ok "$name" "$(cat /tmp/answer /tmp/errors)"
    elif [ "$(daemon_state)" != "$state" ]; then
        not_ok "$name" "the daemon was $state and is $(daemon_state)"
    else
        ok "$name ($(tail -n 1 /tmp/errors))"
    fi
}

# permitted NAME USER ARGUMENTS…
permitted() {
    local name=$1
    shift
    if as "$@"; then
        ok "$name"
    else
        not_ok "$name" "$(cat /tmp/answer /tmp/errors)"
    fi
}

# on_terminal USER PASSWORD ARGUMENTS…: the same on a terminal, where the password is typed when it is asked for.
on_terminal() {
    python3 - "$@" <<'END'
import os, pty, select, sys
user, password, arguments = sys.argv[1], sys.argv[2], sys.argv[3:]
pid, fd = pty.fork()
if pid == 0:
    # With a session: polkit 122 finds an agent of last resort only for processes that are in one.
    os.execvp("runuser", ["runuser", "--pty", "-l", user, "-c", " ".join(["mmiotracectl"] + arguments)])
seen = b""
asked = False
while select.select([fd], [], [], 120)[0]:
    try:
        data = os.read(fd, 4096)
    except OSError:
        break
    if not data:
        break
    seen += data
    if not asked and b"assword:" in seen:
        asked = True
        os.write(fd, password.encode() + b"\n")
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.stdout.write(seen.decode(errors="replace"))
sys.exit(status if asked else 99)
END
}

refused "start by a user whom nobody permits it" InteractiveAuthorizationRequired tracer start
refused "start by an administrator who is not asked" InteractiveAuthorizationRequired manager --no-ask-password start

cat >"$rule" <<'END'
polkit.addRule(function(action, subject) {
    if (action.id == "org.freedesktop.MmioTrace.capture" && subject.user == "tracer")
        return polkit.Result.YES;
});
END
chmod 644 "$rule"
# It watches the folder; asked again until it has seen the file.
wait_for 20 as tracer start || give_up "a rule of polkit has no effect: $(cat /tmp/answer /tmp/errors)"
ok "start by a user whom a rule permits it"
rm "$rule"

refused "mark by another user" InteractiveAuthorizationRequired other mark "not mine"
refused "stop by another user" InteractiveAuthorizationRequired other stop
permitted "mark by the owner" tracer mark mine
permitted "status by another user" other status
permitted "stop by the owner" tracer stop --wait
refused "export by the owner" InteractiveAuthorizationRequired tracer export 1 /tmp/tracer.tar.xz

if on_terminal manager sesame export 1 /tmp/manager.tar.xz >/tmp/terminal && xz -t /tmp/manager.tar.xz; then
    ok "export by an administrator with password"
else
    not_ok "export by an administrator with password" "status $?: $(cat /tmp/terminal)"
fi
if on_terminal manager wrong export 1 /tmp/wrong.tar.xz >/tmp/terminal; then
    not_ok "export with a wrong password" "it was done"
elif [ -e /tmp/wrong.tar.xz ]; then
    not_ok "export with a wrong password" "a file is there"
else
    ok "export with a wrong password"
fi

if systemctl service-log-level mmiotraced debug && [ "$(systemctl service-log-level mmiotraced)" = debug ]; then
    ok "log level by root"
else
    not_ok "log level by root" "$(systemctl service-log-level mmiotraced 2>&1)"
fi
if runuser -u other -- systemctl service-log-level mmiotraced err 2>/tmp/errors; then
    not_ok "log level by another user" "it was set"
elif [ "$(runuser -u other -- systemctl service-log-level mmiotraced)" != debug ]; then
    not_ok "log level by another user" "$(systemctl service-log-level mmiotraced)"
else
    ok "log level by another user"
fi
journalctl --update-catalog
journalctl --no-pager -b -x -u mmiotraced >/tmp/explained
if grep -q 'Subject: MMIO trace session 1 captures' /tmp/explained; then
    ok "messages are explained"
else
    not_ok "messages are explained" "$(tail -n 30 /tmp/explained)"
fi

systemctl mask --runtime --now polkit.service >/dev/null 2>&1
refused "start without polkit" AccessDenied tracer start
if mmiotracectl start >/dev/null && mmiotracectl stop >/dev/null; then
    ok "root without polkit"
else
    not_ok "root without polkit" "it was refused"
fi
finish
