#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The machine comes back where the daemon does not, and what it had captured is not lost either.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

unit_dir=/run/systemd/system/mmiotraced.service.d

# override LINE…: settings of the unit, in place of those before.
override() {
    mkdir -p "$unit_dir"
    printf '%s\n' "$@" >"$unit_dir/test.conf"
    systemctl daemon-reload
}

no_override() {
    rm -f "$unit_dir/test.conf"
    systemctl daemon-reload
    systemctl reset-failed mmiotraced.service mmiotraced-recover.service 2>/dev/null
}

# start NAME: a session with some events, all of which the kernel has counted in $n_events.
start() {
    mmiotracectl -q start --driver e1000e >/tmp/answer 2>&1 || give_up "$1: cannot start: $(cat /tmp/answer)"
    [ "$(cat /sys/devices/system/cpu/online)" = 0 ] || not_ok "$1-one-cpu" "$(cat /sys/devices/system/cpu/online)"
    [ "$(cat /proc/sys/kernel/ftrace_dump_on_oops)" = 1 ] || not_ok "$1-oops" "$(cat /proc/sys/kernel/ftrace_dump_on_oops)"
    modprobe e1000e
    udevadm settle
    mmiotracectl -q mark "$1" >/tmp/answer 2>&1 || not_ok "$1-mark" "$(cat /tmp/answer)"
    n_events=$(awk '$1 == "entries:" { n += $2 } $1 $2 == "readevents:" { n += $3 } END { print n }' \
        "$tracing/per_cpu/cpu0/stats")
}

unit_state() {
    systemctl show -P ActiveState "${1:-mmiotraced.service}"
}

unit_is() {
    [ "$(unit_state)" = "$1" ]
}

# Called by wait_for.
# shellcheck disable=SC2317
recover_unit_is() {
    [ "$(unit_state mmiotraced-recover.service)" = "$1" ]
}

# is_restored: for wait_for. The state of CPUs and settings is asked of the kernel itself.
# shellcheck disable=SC2317
is_restored() {
    [ ! -e /run/mmiotraced/undo ] && machine_state >/tmp/after && cmp -s /tmp/before /tmp/after
}

# Milliseconds since the boot.
uptime_msec() {
    local now
    read -r now _ </proc/uptime
    echo "${now/./}0"
}

# restored NAME [MSEC]: without the daemon, whose unit has ended just now, within the five seconds that are promised, or
# within what is said.
restored() {
    local ended msec
    ended=$(uptime_msec)
    if wait_for 60 is_restored; then
        msec=$(($(uptime_msec) - ended))
        if [ "$msec" -le "${2:-5000}" ]; then
            ok "$1 ($msec ms after the end of the unit was seen)"
        else
            not_ok "$1-time" "it took $msec ms"
        fi
    else
        machine_state >/tmp/after
        not_ok "$1" "$(diff /tmp/before /tmp/after | tr '\n' '|') $(ls /run/mmiotraced)"
    fi
    modprobe -r e1000e
}

# Called by wait_for.
# shellcheck disable=SC2317
session_is_over() {
    jq -e '.state == "sealed" or .state == "failed"' "$sessions/$(<"$sessions/last-id")/session.json" >/dev/null
}

# sealed NAME RESULT: by a daemon that is all right again, with every event, or with the count of those that are missing.
sealed() {
    local folder n
    no_override
    systemctl start mmiotraced || not_ok "$1-daemon" "it does not start"
    folder=$sessions/$(<"$sessions/last-id")
    wait_for 60 session_is_over || not_ok "$1-end" "the session does not end"
    [ "$(jq -r '.state + " " + .result' "$folder/session.json")" = "sealed $2" ] ||
        not_ok "$1-result" "$(jq -c '[.state, .result, .result_text, .warnings]' "$folder/session.json")"
    tar -xJf "$folder/archive.tar.xz" -O mmiotrace.log >/tmp/log || not_ok "$1-log" "there is none"
    n=$(($(grep -cE '^(R|W|UNKNOWN|MAP|UNMAP|MARK) ' /tmp/log) + $(jq .lost_events "$folder/session.json")))
    grep -q "^MARK .* $1\$" /tmp/log || not_ok "$1-mark" "it is not in the log"
    if [ "$n" = "$n_events" ]; then
        ok "$1-sealed ($n events, $(jq .lost_events "$folder/session.json") of them lost)"
    else
        not_ok "$1-sealed" "$n events instead of $n_events; $(jq -c .warnings "$folder/session.json")"
    fi
}

kill_daemon() {
    local pid
    pid=$(main_pid)
    [ "${pid:-0}" = 0 ] || kill -KILL "$pid" 2>/dev/null || true
}

# One thing more that has to come back, and that the sandboxes have to let through.
printf '[Capture]\nDumpOnOops=yes\n' >/etc/mmiotraced/mmiotraced.conf

# Rings that nobody ever sized have a size of their own kind, which cannot be set again.
echo 1408 >"$tracing/buffer_size_kb"
machine_state >/tmp/before

# Killed again and again, until systemd gives up. How many times that takes is set in the unit; here it is fewer.
override '[Unit]' StartLimitBurst=4
start given-up
until unit_is failed; do
    kill_daemon
done
restored given-up
sealed given-up interrupted

# A daemon that cannot start any more.
start cannot-start
override '[Unit]' StartLimitBurst=4 '[Service]' ExecStart= ExecStart=/bin/false
kill_daemon
wait_for 240 unit_is failed || not_ok cannot-start "systemd does not give up"
restored cannot-start
sealed cannot-start interrupted

# given_up NAME: by all that the unit has by itself, whatever the daemon is; the session says why.
given_up() {
    local folder
    kill_daemon
    wait_for 120 is_restored || not_ok "$1-given-up" "the machine stays on one CPU: $(cat /run/mmiotraced/takeovers)"
    [ "$(unit_state)" != failed ] || not_ok "$1-start-limit" "it was systemd that gave up"
    systemctl stop mmiotraced
    restored "$1"
    sealed "$1" interrupted
    folder=$sessions/$(<"$sessions/last-id")
    jq -r .result_text "$folder/session.json" | grep -q 'again and again' ||
        not_ok "$1-text" "$(jq -r .result_text "$folder/session.json")"
    [ ! -e /run/mmiotraced/takeovers ] || not_ok "$1-count" "it is still there"
}

# One that dies later than systemd's limit of starts is made for.
start dies
override '[Service]' ExecStart= "ExecStart=/bin/sh -c 'sleep 3; exit 1'"
given_up dies

# One that is never ready, and one that does nothing then: only the times are shorter than those of the unit.
start never-ready
override '[Service]' ExecStart= 'ExecStart=/bin/sleep infinity' TimeoutStartSec=3s
given_up never-ready
start does-nothing
override '[Service]' ExecStart= "ExecStart=/bin/sh -c 'systemd-notify --ready; exec sleep infinity'" NotifyAccess=all \
    WatchdogSec=3s
given_up does-nothing

# One that hangs when it is told to stop: the stop is not over before the machine is restored.
start hangs
override '[Service]' TimeoutStopSec=5s
kill -STOP "$(drain_pid)"
systemctl stop mmiotraced
is_restored || not_ok hangs-post "when the stop is over, the machine is not restored"
restored hangs
sealed hangs interrupted

# Stopped between a crash and the restart.
override '[Service]' RestartSec=1min
start between
kill_daemon
wait_for 60 unit_is activating || not_ok between-crash "$(unit_state)"
[ "$(systemctl show -P SubState mmiotraced)" = auto-restart ] || not_ok between-state "$(systemctl show -P SubState mmiotraced)"
systemctl stop mmiotraced
restored between
sealed between interrupted

# Its turn comes late, when one more daemon has died and the next is to come: the session is that one's.
override '[Service]' RestartSec=1min
start too-late
kill_daemon
wait_for 60 unit_is activating || not_ok too-late-crash "$(unit_state)"
systemctl start mmiotraced-recover || not_ok too-late-recover "it fails"
[ -e /run/mmiotraced/undo ] || not_ok too-late-undo "it has ended the session of the daemon that is to come"
systemctl start mmiotraced
daemon_captures || not_ok too-late-state "$(daemon_state)"
mmiotracectl -q stop --wait || not_ok too-late-stop "status $?"
restored too-late
sealed too-late success

# CPUs that the tracer does not bring back, as when the kernel could not do it at that moment.
override '[Service]' RestartSec=1min
start cpu-stays
kill_daemon
wait_for 60 unit_is activating || not_ok cpu-stays-crash "$(unit_state)"
echo nop >"$tracing/current_tracer"
echo 0 >/sys/devices/system/cpu/cpu1/online
echo 0 >/sys/devices/system/cpu/cpu2/online
systemctl start mmiotraced
restored cpu-stays
[ "$(cat /sys/devices/system/cpu/online)" = 0-2 ] || not_ok cpu-stays-cpus "$(cat /sys/devices/system/cpu/online)"

# The same by the recover unit, whose sandbox has to let it through as well.
override '[Service]' RestartSec=1min
start cpu-stays-recover
kill_daemon
wait_for 60 unit_is activating || not_ok cpu-stays-recover-crash "$(unit_state)"
echo nop >"$tracing/current_tracer"
echo 0 >/sys/devices/system/cpu/cpu2/online
systemctl stop mmiotraced
restored cpu-stays-recover
journalctl --no-pager -b -u mmiotraced-recover -o cat | grep -q 'CPU 2 was still offline' ||
    not_ok cpu-stays-recover-note "it does not say so"

# The package is removed during a session, as dpkg does it: the service is stopped first.
files=/var/tmp/files
mkdir -p "$files"
cp -a /usr/libexec/mmiotraced "$files"
for unit in /lib/systemd/system/mmiotraced* /usr/lib/systemd/system/mmiotraced*; do
    [ -e "$unit" ] && units=${unit%/*}
done
cp -a "$units"/mmiotraced* "$files"
remove_package() {
    rm -rf /usr/libexec/mmiotraced
    rm -f "$units"/mmiotraced*
    systemctl daemon-reload
}
install_package() {
    cp -a "$files/mmiotraced" /usr/libexec
    cp -a "$files"/mmiotraced*.* "$units"
    systemctl daemon-reload
    # Without their files these sockets are closed, and count as there all the same.
    systemctl restart mmiotraced-inspect.socket mmiotraced-upload.socket
}
start removed
systemctl stop mmiotraced
remove_package
restored removed
install_package
sealed removed success

# The files go first, and nothing of ours can be started any more.
start files-gone
pid=$(main_pid)
remove_package
restored files-gone
kill -KILL "$pid"
sleep 1
is_restored || not_ok files-gone-kill "after the kill it is not"
install_package
sealed files-gone interrupted

# Called by wait_for.
# shellcheck disable=SC2317
recover_unit_says() {
    journalctl --no-pager -b -u mmiotraced-recover -o cat | grep -q "$1"
}

# Somebody holds a pipe, for longer than anybody waits; once that is over, nobody has to do anything.
no_override
start held
override '[Unit]' StartLimitBurst=4 '[Service]' ExecStart= ExecStart=/bin/false
sleep infinity 9<"$tracing/per_cpu/cpu1/trace_pipe_raw" &
holder=$!
kill_daemon
wait_for 60 recover_unit_says "holds a trace pipe open: sleep (pid $holder)" ||
    not_ok held-who "$(journalctl --no-pager -b -u mmiotraced-recover -o cat | tail -n 5)"
[ -e /run/mmiotraced/undo ] || not_ok held-journal "it is gone"
kill "$holder"
wait "$holder" 2>/dev/null
# Five seconds until it is tried again, and those of the attempt.
restored held 10000
sealed held interrupted

# The same where it is another tracer that is to come back.
echo blk >"$tracing/current_tracer"
mv /tmp/before /tmp/before-nop
machine_state >/tmp/before
mmiotracectl -q start --force >/tmp/answer 2>&1 || give_up "held-tracer: cannot start: $(cat /tmp/answer)"
override '[Service]' RestartSec=1min
kill_daemon
wait_for 60 unit_is activating || not_ok held-tracer-crash "$(unit_state)"
echo nop >"$tracing/current_tracer"
sleep infinity 9<"$tracing/per_cpu/cpu1/trace_pipe_raw" &
holder=$!
systemctl stop mmiotraced
wait_for 60 recover_unit_says "The tracer blk does not come back.*: sleep (pid $holder)" ||
    not_ok held-tracer-who "$(journalctl --no-pager -b -u mmiotraced-recover -o cat | tail -n 5)"
kill "$holder"
wait "$holder" 2>/dev/null
restored held-tracer 10000
no_override
echo nop >"$tracing/current_tracer"
mv /tmp/before-nop /tmp/before

# The kernel is locked down meanwhile, and lets nobody at the tracer any more: all else comes back. Nothing can be traced
# on this machine behind that.
lockdown=/sys/kernel/security/lockdown
systemctl start mmiotraced
if [ -e "$lockdown" ]; then
    start locked
    echo confidentiality >"$lockdown" || not_ok locked-down "$(cat "$lockdown")"
    mmiotracectl --json=short stop >/tmp/answer 2>&1 && not_ok locked-stop "it says that all is well"
    grep -q 'until the machine is booted again' /tmp/answer || not_ok locked-text "$(cat /tmp/answer)"
    [ "$(cat /sys/devices/system/cpu/online)" = 0-2 ] || not_ok locked-cpus "$(cat /sys/devices/system/cpu/online)"
    [ "$(cat /proc/sys/kernel/ftrace_dump_on_oops)" = 0 ] || not_ok locked-oops "$(cat /proc/sys/kernel/ftrace_dump_on_oops)"
    [ -e /run/mmiotraced/undo ] || not_ok locked-journal "it is gone"
    wait_for 60 session_is_over || not_ok locked-end "the session does not end"
    ok "locked ($(jq -c '[.state, .result, .result_text]' "$sessions/$(<"$sessions/last-id")/session.json"))"
    # By the unit as well, which does not try that for ever.
    systemctl stop mmiotraced
    wait_for 60 recover_unit_is failed || not_ok locked-recover "the recover unit is $(unit_state mmiotraced-recover.service)"
else
    not_ok locked "this kernel has no lockdown"
fi
finish
