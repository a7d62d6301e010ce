#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Fills the disk of 64 MiB at every stage of a session.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/kmod.sh
. "$(dirname "$0")/kmod.sh"

disk=/var/lib/mmiotraced

free_kib() {
    df --output=avail -k "$disk" | tail -n 1
}

# fill KIB: all but so much.
fill() {
    local left=$(($(free_kib) - $1))
    [ "$left" -le 0 ] || fallocate -l "${left}K" "$disk/filler" 2>/dev/null
    [ "$1" -gt 0 ] || cat /dev/zero >>"$disk/filler" 2>/dev/null
    return 0
}

# Called by wait_for.
# shellcheck disable=SC2317
is_over() {
    case $(session_property "$path" State) in sealed | failed) ;; *) return 1 ;; esac
}

# shellcheck disable=SC2317
all_is_written() {
    cat "$tracing"/per_cpu/cpu*/stats | awk '/^entries:/ { n += $2 } END { exit n > 0 }'
}

start() {
    rm -f "$disk/filler"
    echo "# $1"
    mmiotracectl -q start || give_up "$1: cannot start"
    path=$(active_session)
    kmod_load
}

# end NAME STATE RESULT
end() {
    wait_for 60 is_over || give_up "$1: it does not end"
    [ "$(session_property "$path" State) $(session_property "$path" Result)" = "$2 $3" ] ||
        not_ok "$1-result" "$(session_property "$path" State) $(session_property "$path" Result): $(session_property "$path" ResultText)"
    echo "# $1: $(session_property "$path" ResultText) $(session_property "$path" Warnings)"
    check_restored "$1"
    [ ! -e /run/mmiotraced/undo ] || not_ok "$1-undo" "an undo journal is left"
}

seal_again() {
    mmiotracectl -q seal --wait "$(last_session)" >/tmp/seal 2>&1 || not_ok "$1-again" "$(cat /tmp/seal)"
    wait_for 60 is_over
}

case_start() {
    fill 0
    mmiotracectl -q start >/tmp/start 2>&1 && not_ok start "it begins"
    grep -q 'make room' /tmp/start || not_ok start-text "$(cat /tmp/start)"
    daemon_is_idle || not_ok start-state "$(daemon_state)"
    check_restored start
}

# case_full NAME LEFT: the writer goes on all the time, until the session has ended.
case_full() {
    start "$1"
    kmod_write "$1" count=5000
    kmod_write "$1" first=5000 count=0 &
    fill "$2"
    wait_for 60 is_over || give_up "$1: it does not end"
    kmod_stop "$1"
    grep -q 'make room in /var/lib/mmiotraced' <(session_property "$path" ResultText) || not_ok "$1-text" "it does not say what to do"
    rm -f "$disk/filler"
    # Who fills the disk may have been the first at what was released.
    [ "$(session_property "$path" State)" = sealed ] || seal_again "$1"
    end "$1" sealed disk-full
    save "$1"
    rmmod mmiotrace-test
}

# The mark still finds a page, and what could come behind it does not: so the session ends by that.
case_mark() {
    start mark
    kmod_write mark count=5000
    wait_for 60 all_is_written
    fill 0
    mmiotracectl -q mark 'on a full disk' >/tmp/mark 2>&1 || not_ok mark "$(cat /tmp/mark)"
    end mark sealed disk-full
    rm -f "$disk/filler"
    save mark
    rmmod mmiotrace-test
}

# Somebody takes every block that is given back.
case_sealing() {
    local filler
    start sealing
    kmod_write sealing count=50000
    wait_for 60 all_is_written
    sync
    fill 0
    while :; do cat /dev/zero >>"$disk/filler"; sleep 0.02; done 2>/dev/null &
    filler=$!
    mmiotracectl -q stop >/tmp/stop 2>&1
    end sealing failed seal-failed
    grep -q 'make room in /var/lib/mmiotraced, then' <(session_property "$path" ResultText) ||
        not_ok sealing-text "$(session_property "$path" ResultText)"
    kill "$filler"
    wait "$filler" 2>/dev/null
    rm -f "$disk/filler"
    seal_again sealing
    [ "$(session_property "$path" State)" = sealed ] || not_ok sealing-state "$(session_property "$path" State)"
    save sealing
    rmmod mmiotrace-test
}

# Called by wait_for. For one more batch.
# shellcheck disable=SC2317
there_is_room() {
    [ "$(free_kib)" -gt 3072 ]
}

# Twice as much as there is room for.
case_small() {
    local n
    start small
    fill 6144
    echo "# $(free_kib) KiB are free"
    for ((n = 0; n < 300000; n += 60000)); do
        kmod_write small "first=$n count=60000"
        wait_for 60 all_is_written
        wait_for 60 there_is_room || not_ok small-room "$(free_kib) KiB are free"
    done
    echo "# $(session_property "$path" BytesRaw) bytes captured, $(session_property "$path" BytesCompressedOnDisk) on disk"
    [ "$(session_property "$path" BytesRaw)" -gt $((2 * 6144 * 1024)) ] || not_ok small-bytes "$(session_property "$path" BytesRaw)"
    [ "$(session_property "$path" State)" = capturing ] || not_ok small-state "$(session_property "$path" State)"
    mmiotracectl -q stop >/tmp/stop 2>&1
    wait_for 60 is_over
    rm -f "$disk/filler"
    [ "$(session_property "$path" State)" = sealed ] || seal_again small
    end small sealed success
    save small
    rmmod mmiotrace-test
}

mkdir -p "$disk"
mount /dev/vda "$disk" || give_up "the disk cannot be mounted"
printf '[Storage]\nMaxUse=infinity\nKeepFree=0\n[Seal]\nLevel=0\n' >/etc/mmiotraced/mmiotraced.conf
systemctl start mmiotraced || give_up "the daemon does not start"
note_machine
case_start
case_full others 0
case_full itself 1024
case_mark
case_sealing
case_small
finish
