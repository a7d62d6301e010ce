#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# mmiotracectl recover, after a script that did it by hand.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

# recover NAME STATUS: what it says is in /tmp/answer, as JSON.
recover() {
    local status=0
    mmiotracectl --json=short recover >/tmp/answer 2>/tmp/errors || status=$?
    [ "$status" = "$2" ] || not_ok "$1-status" "$status, not $2: $(cat /tmp/answer /tmp/errors)"
}

answer() {
    jq -r "$1" /tmp/answer
}

compare() {
    machine_state >/tmp/after
    if diff /tmp/before /tmp/after >/tmp/diff; then
        ok "$1"
    else
        not_ok "$1" "$(tr '\n' '|' </tmp/diff)"
    fi
}

# Called by wait_for.
# shellcheck disable=SC2317
session_is_over() {
    jq -e '.state == "sealed" or .state == "failed"' "$sessions/$1/session.json" >/dev/null
}

# As somebody has it who used it before.
echo 5000 >"$tracing/buffer_size_kb"
machine_state >/tmp/before

recover nothing 0
[ "$(cat /tmp/answer)" = '{"session":null,"done":[]}' ] || not_ok nothing "$(cat /tmp/answer)"
compare nothing

# A script of the usual kind, which reads into a file, and then dies.
echo mmiotrace >"$tracing/current_tracer"
cat "$tracing/trace_pipe" >/tmp/script.log &
reader=$!
modprobe e1000e
udevadm settle
wait_for 30 test -s /tmp/script.log || not_ok script "it reads nothing"
[ "$(cat /sys/devices/system/cpu/online)" = 0 ] || not_ok one-cpu "$(cat /sys/devices/system/cpu/online)"

# As long as somebody reads, it is theirs.
machine_state >/tmp/armed
recover reader 1
[ "$(answer .error)" = ReaderBusy ] || not_ok reader-error "$(cat /tmp/answer)"
[[ $(answer .message) == *"cat (pid $reader)"* ]] || not_ok reader-name "$(answer .message)"
machine_state | diff /tmp/armed - >/tmp/diff || not_ok reader-changed "$(tr '\n' '|' </tmp/diff)"
mmiotracectl --json=short start >/tmp/answer 2>&1
[[ $(cat /tmp/answer) == *"mmiotracectl recover"* ]] || not_ok start-hint "$(cat /tmp/answer)"
kill "$reader"
wait "$reader" 2>/dev/null
modprobe -r e1000e
modprobe e1000e
udevadm settle
echo 'left here' >"$tracing/trace_marker"

# The kernel's own text of what is in the ring now, which reading does not consume.
grep -v '^#' "$tracing/trace" >/tmp/kernel.txt
n=$(wc -l </tmp/kernel.txt)
recover left 0
compare left
id=$(answer .session)
answer '.done[]' >/tmp/done
grep -qx 'mmiotrace is off; online again: CPU 1-2.' /tmp/done || not_ok left-done "$(cat /tmp/done)"
[ ! -e /run/mmiotraced/undo ] || not_ok left-journal "the undo journal is still there"
wait_for 60 session_is_over "$id" || not_ok left-end "the session does not end"
jq -r '"\(.state) \(.result) \(.owner_uid) \(.lost_events)"' "$sessions/$id/session.json" >/tmp/state
[ "$(cat /tmp/state)" = 'sealed interrupted 0 0' ] || not_ok left-state "$(cat /tmp/state)"
jq -r '.warnings[]' "$sessions/$id/session.json" | grep -q 'Another program had switched mmiotrace on' ||
    not_ok left-warning "$(jq -c .warnings "$sessions/$id/session.json")"
tar -xJf "$sessions/$id/archive.tar.xz" -O mmiotrace.log | grep -vE '^(VERSION|PCIDEV) ' >/tmp/log
if [ "$n" -gt 1000 ] && cmp -s /tmp/kernel.txt /tmp/log; then
    ok "left-log ($n lines, the same as the kernel's)"
else
    not_ok left-log "$n lines of the kernel, $(wc -l </tmp/log) in the log: $(diff /tmp/kernel.txt /tmp/log | head -n 5 | tr '\n' '|')"
fi
modprobe -r e1000e

# A full ring, of which the oldest events are gone: they count as lost.
echo 64 >"$tracing/buffer_size_kb"
machine_state >/tmp/before
echo mmiotrace >"$tracing/current_tracer"
# Each time about a thousand events, of 44 bytes.
for _ in 1 2 3; do
    modprobe e1000e
    udevadm settle
    modprobe -r e1000e
done
overrun=$(sed -n 's/^overrun: //p' "$tracing/per_cpu/cpu0/stats")
recover overrun 0
compare overrun
id=$(answer .session)
wait_for 60 session_is_over "$id" || not_ok overrun-end "the session does not end"
if [ "$overrun" -gt 0 ] && [ "$(jq .lost_events "$sessions/$id/session.json")" = "$overrun" ]; then
    ok "overrun-lost ($overrun)"
else
    not_ok overrun-lost "$(jq .lost_events "$sessions/$id/session.json") instead of $overrun"
fi

# CPUs that the tracer does not know of stay off there; here they come back, and that is said.
echo mmiotrace >"$tracing/current_tracer"
echo nop >"$tracing/current_tracer"
echo 0 >/sys/devices/system/cpu/cpu2/online
echo mmiotrace >"$tracing/current_tracer"
recover cpu 0
answer '.done[]' >/tmp/done
grep -q '^CPU 2 was still offline, and was brought online by hand' /tmp/done || not_ok cpu-done "$(cat /tmp/done)"
compare cpu

# The tracer is off by now, and the script ended before the CPUs were back: found beforehand, and brought back.
mmiotracectl --json=short check >/tmp/answer
[ "$(answer '.[] | select(.id == "cpus-offline").level')" = ok ] || not_ok offline-before "$(cat /tmp/answer)"
echo mmiotrace >"$tracing/current_tracer"
echo nop >"$tracing/current_tracer"
machine_state >/tmp/before
for cpu in 1 2; do echo 0 >"/sys/devices/system/cpu/cpu$cpu/online"; done
mmiotracectl --json=short check >/tmp/answer || not_ok offline-status "$?: $(cat /tmp/answer)"
[[ $(answer '.[] | select(.id == "cpus-offline") | .level + " " + .found + " " + .to_do') == \
    "warning CPU 1-2 are offline, "*mmiotracectl\ recover* ]] || not_ok offline-found "$(cat /tmp/answer)"
recover offline 0
[ "$(cat /tmp/answer)" = '{"session":null,"done":["CPU 1 was still offline, and was brought online by hand.","CPU 2 was'\
' still offline, and was brought online by hand."]}' ] || not_ok offline-done "$(cat /tmp/answer)"
compare offline

# Not while one of ours runs.
mmiotracectl -q start >/tmp/answer 2>&1 || give_up "cannot start: $(cat /tmp/answer)"
recover running 1
[ "$(answer .error)" = AlreadyRunning ] || not_ok running-error "$(cat /tmp/answer)"
daemon_captures || not_ok running "the session does not capture any more"
mmiotracectl -q stop >/tmp/answer 2>&1 || not_ok running-stop "$(cat /tmp/answer)"
compare running
finish
