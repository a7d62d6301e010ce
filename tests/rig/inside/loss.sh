#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Makes a ring that is too small lose events, in both modes: first with the writer waiting until the drain is through,
# so that the place of each gap is known, then with the writer going on.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/kmod.sh
. "$(dirname "$0")/kmod.sh"

stop_drain() {
    wait_for 60 drain_pid >/dev/null || give_up "there is no drain"
    drain=$(drain_pid)
    kill -STOP "$drain"
    wait_for 60 grep -q '^State:.*stopped' "/proc/$drain/status" || give_up "the drain does not stop"
}

# stats_sum FIELD…: of all CPUs.
stats_sum() {
    local pattern
    pattern=$(IFS='|'; echo "$*")
    cat "$tracing"/per_cpu/cpu*/stats | sed -nE "s/^($pattern): //p" | awk '{ n += $1 } END { print n + 0 }'
}

# Called by wait_for.
# shellcheck disable=SC2317
is_drained() {
    [ "$(stats_sum entries)" = 0 ]
}

# lose NAME FIRST COUNT: all of it while nobody drains.
lose() {
    stop_drain
    kmod_write "$1" "first=$2 count=$3"
    kill -CONT "$drain"
    wait_for 60 is_drained || not_ok "$1-drained" "the ring is not drained"
}

# start KEEP SIZE
start() {
    echo "# keep=$1 buffer-size=$2"
    busctl --timeout=300 call org.freedesktop.MmioTrace "$manager_object" org.freedesktop.MmioTrace1.Manager Start \
        'a{sv}' 2 keep s "$1" buffer-size t "$2" >/tmp/start 2>&1 || give_up "cannot start: $(cat /tmp/start)"
    path=$(active_session)
    kmod_load
}

# case_loss KEEP SIZE
case_loss() {
    start "$1" "$2"
    kmod_write "$1" first=0 count=1000
    wait_for 60 is_drained
    lose "$1" 1000 8000
    kmod_write "$1" first=9000 count=500
    wait_for 60 is_drained
    lose "$1" 9500 12345
    kmod_write "$1" first=21845 count=155
    wait_for 60 is_drained
    # From here on, in the mode that refuses, it is not known where.
    kmod_write "$1" first=22000 count=200000 &
    writer=$!
    while [ -d "/proc/$writer" ]; do
        kill -STOP "$drain"
        sleep 0.3
        kill -CONT "$drain"
        sleep 0.3
    done
    wait "$writer"
    end "$1"
}

# The kernel tells the count of a gap in what is left over of the page behind it. Accesses alone always leave enough; a
# page full of marks of this length, 40 bytes each in the ring, leaves nothing.
case_uncounted() {
    local round n
    start newest 131072
    kmod_write uncounted count=300
    for round in 1 2 3 4; do
        stop_drain
        kmod_write uncounted "first=$((300 + (round - 1) * 1000)) count=1000"
        # One write for each mark.
        for ((n = 0; n < 8000; n++)); do
            echo 123456789012345
        done >"$tracing/trace_marker"
        kill -CONT "$drain"
        wait_for 60 is_drained
    done
    kmod_write uncounted first=4300 count=100
    echo 32000 >/out/uncounted.marks
    end uncounted
}

# end NAME: the counts, where nothing is written any more, and the archive.
end() {
    local status=0
    wait_for 60 is_drained || not_ok "$1-drained" "the ring is not drained"
    stats_sum overrun 'dropped events' 'commit overrun' >"/out/$1.kernel"
    mmiotracectl stop --wait >/tmp/stop.txt 2>&1 || status=$?
    [ "$status" = 5 ] || not_ok "$1-stop" "mmiotracectl stop: $status: $(cat /tmp/stop.txt)"
    grep -q "LOST: $(cat "/out/$1.kernel") events; the trace is not complete" /tmp/stop.txt || not_ok "$1-stop-text" "$(cat /tmp/stop.txt)"
    sed 's/not complete//' /tmp/stop.txt | grep -qiE 'none lost|no event was lost|lost: *(0|none)|complete' && not_ok "$1-stop-text" "$(cat /tmp/stop.txt)"
    session_property "$path" LostEvents >"/out/$1.session"
    status=0
    mmiotracectl status "$(last_session)" >/tmp/status.txt 2>&1 || status=$?
    grep -q "$(cat "/out/$1.kernel")" /tmp/status.txt || not_ok "$1-status-text" "$(cat /tmp/status.txt)"
    check_restored "$1"
    save "$1"
    rmmod mmiotrace-test
}

printf '[Seal]\nLevel=0\n' >/etc/mmiotraced/mmiotraced.conf
systemctl start mmiotraced || give_up "the daemon does not start"
note_machine
case_loss newest 131072
case_loss oldest 65536
case_uncounted
finish
