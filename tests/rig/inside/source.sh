#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Captures by either source: /out/CASE/{archive.tar.xz,head.txt,stats}, and kernel.txt where the kernel could print the
# same session.

set -euo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

manager=(org.freedesktop.MmioTrace /org/freedesktop/MmioTrace org.freedesktop.MmioTrace1.Manager)

# use SOURCE: for the sessions to come. What xz makes of it is tested elsewhere, and slow under emulation.
use() {
    printf '[Capture]\nSource=%s\n[Seal]\nLevel=0\n' "$1" >/etc/mmiotraced/mmiotraced.conf
    systemctl restart mmiotraced
}

# start CASE SIGNATURE VALUE…: the options of Start beside the driver.
start() {
    local name=$1 n=$((($# - 1) / 3 + 1))
    shift
    mkdir "/out/$name"
    session=$(busctl --timeout=120 call "${manager[@]}" Start 'a{sv}' "$n" driver s e1000e "$@") || give_up "cannot start $name"
    session=$(sed -n 's/^o "\(.*\)"$/\1/p' <<<"$session")
    wait_for 10 drain_pid >/dev/null || give_up "there is no drain"
}

stop_drain() {
    drain=$(drain_pid)
    kill -STOP "$drain"
    wait_for 10 grep -q '^State:.*stopped' "/proc/$drain/status" || give_up "the drain does not stop"
}

# Off before anything is printed, so that not one event comes behind it; that is how the drain itself begins its end.
freeze() {
    echo 0 >"$tracing/tracing_on"
    cp "$tracing/per_cpu/cpu0/stats" "/out/$1/stats"
}

print() {
    grep -v '^#' "$tracing/trace" >/tmp/kernel.txt
    cp /tmp/kernel.txt "/out/$1/"
}

# end CASE STATUS: and have the kernel print the head of its pipe, which it does for whoever opens it.
end() {
    local status=0
    kill -CONT "$drain"
    mmiotracectl -q stop --wait >/tmp/stop.txt 2>&1 || status=$?
    # A pattern, where either may be.
    # shellcheck disable=SC2053
    [[ $status = $2 ]] || not_ok "$1-stop" "mmiotracectl stop: $status: $(cat /tmp/stop.txt)"
    mmiotracectl -q export "${session##*_}" "/out/$1/archive.tar.xz" || not_ok "$1-export" failed
    ls "$sessions/${session##*_}/raw" >/tmp/raw.txt
    [ "$(cat /tmp/raw.txt)" = formats ] || not_ok "$1-removed" "there is still $(tr '\n' ' ' </tmp/raw.txt)"
    echo mmiotrace >"$tracing/current_tracer"
    # Each read gives one line; it ends with EAGAIN, which dd calls a failure.
    dd if="$tracing/trace_pipe" bs=64K iflag=nonblock 2>/dev/null >"/out/$1/head.txt" || true
    echo nop >"$tracing/current_tracer"
    modprobe -r e1000e
}

case_driver() {
    start "$1-driver"
    stop_drain
    modprobe e1000e
    network_up || not_ok "$1-network" "no network"
    # It looks like what the kernel says by itself.
    mmiotracectl -q mark 'Lost 5 events.'
    freeze "$1-driver"
    print "$1-driver"
    end "$1-driver" 0
}

# case_full KEEP: with a drain that sleeps.
case_full() {
    start "text-$1" keep s "$1" buffer-size t 65536
    stop_drain
    modprobe e1000e
    network_up || not_ok "$1-network" "no network"
    freeze "text-$1"
    print "text-$1"
    end "text-$1" 5
}

# case_live KEEP: with one that sleeps now and then, and wakes while the driver is at work.
case_live() {
    start "text-$1-live" keep s "$1" buffer-size t 65536
    for _ in 1 2 3; do
        stop_drain
        modprobe e1000e
        network_up || not_ok "$1-live-network" "no network"
        kill -CONT "$drain"
        modprobe -r e1000e
    done
    modprobe e1000e
    stop_drain
    freeze "text-$1-live"
    end "text-$1-live" 5
}

# Called by wait_for.
# shellcheck disable=SC2317
has_main_pid() {
    local pid
    pid=$(main_pid)
    [ "${pid:-0}" != 0 ]
}

# The daemon dies while its drain reads, and so does the drain.
case_kill() {
    start text-kill
    modprobe e1000e &
    for _ in 1 2 3; do
        sleep 0.7
        drain=$(drain_pid) || true
        kill -9 "$(main_pid)" ${drain:+"$drain"} || true
        wait_for 30 has_main_pid || give_up "the daemon does not come back"
        wait_for 30 drain_pid >/dev/null || give_up "the drain does not come back"
    done
    wait
    network_up || not_ok kill-network "no network"
    wait_for 30 drain_pid >/dev/null || give_up "there is no drain any more"
    stop_drain
    freeze text-kill
    # What they had in their hands may be lost.
    end text-kill '[05]'
}

# A file of the kernel that says something else than any kernel did.
case_unknown() {
    local format=$tracing/events/ftrace/mmiotrace_rw/format path
    sed 's/phys;/physical;/' "$format" >/tmp/format
    ! cmp -s "$format" /tmp/format || give_up "the format is not as it should be"
    systemctl stop mmiotraced
    mount --bind /tmp/format "$format"
    use raw
    if mmiotracectl -q start --driver e1000e 2>/tmp/error; then
        not_ok unknown-raw "it starts"
    elif grep -q Source= /tmp/error; then
        ok unknown-raw
    else
        not_ok unknown-raw "$(cat /tmp/error)"
    fi
    use auto
    path=$(busctl --timeout=120 call "${manager[@]}" Start 'a{sv}' 1 driver s e1000e | sed -n 's/^o "\(.*\)"$/\1/p')
    modprobe e1000e
    [ "$(busctl get-property org.freedesktop.MmioTrace "$path" org.freedesktop.MmioTrace1.Session Source)" = 's "text"' ] ||
        not_ok unknown-auto "the source is not text"
    mmiotracectl -q stop --wait >/tmp/stop.txt 2>&1 || not_ok unknown-stop "$(cat /tmp/stop.txt)"
    mmiotracectl -q export "${path##*_}" /tmp/unknown.tar.xz
    tar -xJf /tmp/unknown.tar.xz -C /tmp mmiotrace.log || not_ok unknown-archive "it is not complete"
    if grep -q '^W 4 ' /tmp/mmiotrace.log; then
        ok unknown-auto
    else
        not_ok unknown-auto "the log has no accesses"
    fi
    umount "$format"
    modprobe -r e1000e
}

use text
case_driver text
case_full newest
case_full oldest
case_live newest
case_live oldest
case_kill
case_unknown
use raw
case_driver raw
finish
