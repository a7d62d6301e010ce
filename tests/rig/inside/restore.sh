#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The machine after a session is the machine before it, whatever ended the session.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

start() {
    mmiotracectl -q start --driver e1000e >/tmp/answer 2>&1 || give_up "$1: cannot start: $(cat /tmp/answer)"
    modprobe e1000e
    [ "$(cat /sys/devices/system/cpu/online)" = 0 ] || not_ok "$1-one-cpu" "$(cat /sys/devices/system/cpu/online)"
}

# A ring that was never used cannot be had again. The kernel would have made it 1408 KB on each CPU at its first
# use, and rounds that up to whole pages.
unify_new_sizes() {
    sed -i -E 's/buffer_size_kb:(7|7 \(expanded: 1408\)|14(08|09|10|11|12))$/buffer_size_kb:new/' "$1"
}

restored() {
    machine_state >/tmp/after
    [ "$1" != new-ring ] || unify_new_sizes /tmp/after
    if diff /tmp/before /tmp/after >/tmp/diff; then
        ok "$1"
    else
        not_ok "$1" "$(tr '\n' '|' </tmp/diff)"
    fi
    [ ! -e /run/mmiotraced/undo ] || not_ok "$1-journal" "the undo journal is still there"
}

# ended NAME STATE RESULT: the last session came to that end, with an archive.
ended() {
    local file
    file=$sessions/$(cat "$sessions/last-id")/session.json
    wait_for 60 session_is_over "$file" || not_ok "$1-end" "the session does not end: $(cat "$file")"
    if [ "$(jq -r '.state + " " + .result' "$file")" = "$2 $3" ] && [ -s "${file%/*}/archive.tar.xz" ]; then
        ok "$1-session"
    else
        not_ok "$1-session" "$(jq -c . "$file")"
    fi
}

# Called by wait_for.
# shellcheck disable=SC2317
session_is_over() {
    jq -e '.state == "sealed" or .state == "failed"' "$1" >/dev/null
}

log_has() {
    tar -xJf "$sessions/$(cat "$sessions/last-id")/archive.tar.xz" -O mmiotrace.log >/tmp/log || not_ok "$1" "no log"
    if [ "$(grep -c '^[RW] ' /tmp/log)" -ge "$2" ]; then
        ok "$1 ($(grep -c '^[RW] ' /tmp/log) accesses)"
    else
        not_ok "$1" "$(grep -c '^[RW] ' /tmp/log) accesses, not $2"
    fi
}

end_normally() {
    mmiotracectl -q stop --wait >/tmp/answer 2>&1 || not_ok "$1-stop" "$(cat /tmp/answer)"
    modprobe -r e1000e
    restored "$1"
}

# As the boot left it.
machine_state >/tmp/before
grep -q '^buffer_size_kb:7 (expanded: 1408)$' /tmp/before || give_up "the ring was used before"
unify_new_sizes /tmp/before
start new-ring
end_normally new-ring
ended new-ring sealed success
log_has new-ring-log 1000

# As somebody set it up for other ends.
cd "$tracing" || exit 1
echo 2000 >buffer_size_kb
echo boot >trace_clock
echo 0 >options/overwrite
echo 2 >tracing_cpumask
echo 0 >tracing_on
cd / || exit 1
machine_state >/tmp/before
start custom
end_normally custom
log_has custom-log 1000

# A CPU that was off before stays off, and each ring keeps a size of its own.
echo 0 >/sys/devices/system/cpu/cpu2/online
echo 100 >"$tracing/per_cpu/cpu0/buffer_size_kb"
echo 300 >"$tracing/per_cpu/cpu1/buffer_size_kb"
echo 1 >"$tracing/tracing_on"
machine_state >/tmp/before
start offline-cpu
end_normally offline-cpu

# From here on the session ends otherwise than by a call.
start systemctl-stop
systemctl stop mmiotraced || not_ok systemctl-stop "systemctl stop: $?"
modprobe -r e1000e
restored systemctl-stop
[ "$(systemctl is-active mmiotraced)" = inactive ] || not_ok systemctl-stop-state "$(systemctl is-active mmiotraced)"
systemctl start mmiotraced
ended systemctl-stop sealed success
log_has systemctl-stop-log 1000

# A session outlives its processes: goes_on NAME looks that it still captures, and ends it.
goes_on() {
    wait_for 30 daemon_captures || not_ok "$1" "the session does not go on"
    mmiotracectl -q mark "still there" >/tmp/answer 2>&1 || not_ok "$1-mark" "$(cat /tmp/answer)"
    end_normally "$1"
    ended "$1" sealed success
    log_has "$1-log" 1000
    grep -q '^MARK .* still there$' /tmp/log || not_ok "$1-log" "no mark"
}

start killed
kill -KILL "$(main_pid)"
goes_on killed

# All of its processes at once, as when the kernel runs out of memory.
start killed-all
systemctl kill --signal=KILL mmiotraced
goes_on killed-all

start drain-killed
kill -KILL "$(drain_pid)"
goes_on drain-killed

start restarted
systemctl restart mmiotraced
goes_on restarted

# A journal without a session, at the start of the daemon: of this boot, and of another one.
systemctl stop mmiotraced
start_by_journal() {
    printf '{"boot":"%s","kind":"%s","name":"%s","value":"%s"}\n' "$@" >>/run/mmiotraced/undo
}
boot=$(cat /proc/sys/kernel/random/boot_id)
[ -d /run/mmiotraced ] || give_up "the runtime directory is gone"
start_by_journal "$boot" cpus '' "$(cat /sys/devices/system/cpu/online)"
start_by_journal "$boot" control trace_clock boot
start_by_journal "$boot" tracer '' ''
echo mono >"$tracing/trace_clock"
echo mmiotrace >"$tracing/current_tracer"
systemctl start mmiotraced
wait_for 30 test ! -e /run/mmiotraced/undo || not_ok journal "it is not worked off"
restored journal
systemctl stop mmiotraced
start_by_journal 00000000-0000-0000-0000-000000000000 control tracing_on 0
systemctl start mmiotraced
wait_for 30 test ! -e /run/mmiotraced/undo || not_ok old-journal "it is not removed"
restored old-journal
journalctl --no-pager -b -u mmiotraced -o cat | grep -q 'undo journal of an earlier boot is dropped' ||
    not_ok old-journal-note "the journal says nothing of it"
finish
