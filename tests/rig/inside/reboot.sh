#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# /out/phase says which boot it is: in the first one the machine is rebooted during a session, the second one looks at it.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

# Called by wait_for.
# shellcheck disable=SC2317
session_is_over() {
    jq -e '.state == "sealed" or .state == "failed"' "$sessions/1/session.json" >/dev/null
}

mkdir -p /var/lib/mmiotraced
mount /dev/vda /var/lib/mmiotraced || give_up "the disk cannot be mounted"
if [ "$(</out/phase)" = first ]; then
    echo 1408 >"$tracing/buffer_size_kb"
    machine_state >/out/before
    mmiotracectl -q start --driver e1000e >/tmp/answer 2>&1 || give_up "cannot start: $(</tmp/answer)"
    modprobe e1000e
    udevadm settle
    mmiotracectl -q mark 'before the reboot' >/tmp/answer 2>&1 || give_up "cannot mark: $(</tmp/answer)"
    awk '$1 == "entries:" { n += $2 } $1 $2 == "readevents:" { n += $3 } END { print n }' "$tracing/per_cpu/cpu0/stats" >/out/events
    # The rig powers off when its script ends, whatever else is going on: here the machine goes down as any other does.
    mkdir -p /run/systemd/system/rig.service.d
    printf '[Service]\nExecStopPost=\n' >/run/systemd/system/rig.service.d/reboot.conf
    systemctl daemon-reload
    : >/out/going
    sync
    systemctl reboot
    exec sleep infinity
fi

# As the boot that died has left it: all was over by then but for the archive.
jq -c '[.state, .result, .stop_reason, .warnings]' "$sessions/1/session.json"
[[ $(jq -r .state "$sessions/1/session.json") == seal* ]] || not_ok state "$(jq -r .state "$sessions/1/session.json")"
echo 1408 >"$tracing/buffer_size_kb"
machine_state >/tmp/before-daemon
diff /out/before /tmp/before-daemon >/tmp/diff || not_ok machine "$(tr '\n' '|' </tmp/diff)"
systemctl start mmiotraced || give_up "the daemon does not start"
wait_for 120 session_is_over || not_ok end "the session does not end"
[ "$(jq -r '.state + " " + .result' "$sessions/1/session.json")" = 'sealed success' ] ||
    not_ok result "$(jq -c '[.state, .result, .result_text, .warnings]' "$sessions/1/session.json")"
[ "$(jq .lost_events "$sessions/1/session.json")" = 0 ] || not_ok lost "$(jq .lost_events "$sessions/1/session.json")"
tar -xJf "$sessions/1/archive.tar.xz" -O mmiotrace.log >/tmp/log || not_ok log "there is none"
grep -q '^MARK .* before the reboot$' /tmp/log || not_ok mark "it is not in the log"
n=$(grep -cE '^(R|W|UNKNOWN|MAP|UNMAP|MARK) ' /tmp/log)
# What the driver did when the machine went down may come behind.
if [ "$n" -ge "$(</out/events)" ]; then
    ok "reboot ($n events, $(</out/events) of them before the reboot)"
else
    not_ok reboot "$n events instead of $(</out/events)"
fi
[ ! -e /run/mmiotraced/undo ] || not_ok journal "there is one"
machine_state >/tmp/after
diff /out/before /tmp/after >/tmp/diff || not_ok machine-after "$(tr '\n' '|' </tmp/diff)"
finish
