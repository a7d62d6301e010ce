#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Users, a target that never answers, and a rule of polkit's that can be switched: then access-matrix.py.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

make_users() {
    useradd -m tracer && useradd -m other && useradd -m -G sudo manager && echo 'manager:sesame' | chpasswd
}
make_users || give_up "cannot make users"
cat >/etc/polkit-1/rules.d/10-mmiotraced-test.rules <<'END'
polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.freedesktop.MmioTrace.") != 0 || (subject.user != "tracer" && subject.user != "other"))
        return polkit.Result.NOT_HANDLED;
    try {
        polkit.spawn(["/usr/bin/test", "-e", "/run/" + subject.user + "-may"]);
        return polkit.Result.YES;
    } catch (error) {
        return polkit.Result.NOT_HANDLED;
    }
});
END
chmod 644 /etc/polkit-1/rules.d/10-mmiotraced-test.rules
printf '[Seal]\nLevel=0\n[Target silent]\nURL=https://localhost:8443/{archive}\n' >/etc/mmiotraced/mmiotraced.conf
# It takes connections, and says nothing.
systemd-run --quiet --unit silent python3 -c 'import socket, signal
s = socket.create_server(("127.0.0.1", 8443), backlog=100)
signal.pause()'
systemctl start mmiotraced polkit || give_up "the daemon does not start"
"$(dirname "$0")/access-matrix.py" /opt/table /opt/access-call || failed=1
finish
