#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Kills and restarts the daemon again and again while the test module writes. /out/seed has the seed, /out/CASE.marks
# gets the marks that were taken.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/kmod.sh
. "$(dirname "$0")/kmod.sh"

kills=20 restarts=5
RANDOM=$(cat /out/seed)

# A moment from 0 to $1 ms.
random_sleep() {
    sleep "$(printf '0.%03d' $((RANDOM % $1)))"
}

# Called by wait_for.
# shellcheck disable=SC2317
has_main_pid() {
    pid=$(main_pid)
    [ "${pid:-0}" != 0 ]
}

kill_daemon() {
    wait_for 120 has_main_pid || give_up "there is no daemon to kill"
    kill -9 "$pid" 2>/dev/null || true
}

# check_alive CASE TEXT: what must be so between two kills, or the daemon of now never answered.
check_alive() {
    local text=$2
    wait_for 120 mmiotracectl -q mark "$text" >/tmp/mark 2>&1 ||
        give_up "no mark is taken after $text: $(cat /tmp/mark)"
    echo "$text" >>"/out/$1.marks"
    [ "$(active_session)" = "$path" ] || give_up "after $text the session is not $path, but $(active_session)"
    [ "$(session_property "$path" State)" = capturing ] || give_up "after $text the session does not capture"
}

case_kill() {
    local n actions
    mmiotracectl -q start || give_up "cannot start"
    path=$(active_session)
    kmod_load
    kmod_write kill count=0 pattern=4 &
    actions=$({ for ((n = 0; n < kills; n++)); do echo kill; done
        for ((n = 0; n < restarts; n++)); do echo restart; done; } | shuf --random-source=<(yes "$(cat /out/seed)" 2>/dev/null))
    n=0
    for action in $actions; do
        random_sleep 1000
        case $action in
            kill)    kill_daemon ;;
            restart) systemctl restart mmiotraced || give_up "systemctl restart failed" ;;
        esac
        n=$((n + 1))
        echo "# $n: $action at $(cut -d ' ' -f 1 /proc/uptime)"
        # Now and then the next one dies before it is up.
        [ $((RANDOM % 4)) = 0 ] || check_alive kill "$action $n"
    done
    check_alive kill 'the end'
    kmod_stop kill
    status=0
    mmiotracectl stop --wait >/tmp/stop.txt 2>&1 || status=$?
    [ "$status" = 0 ] || not_ok kill-stop "mmiotracectl stop: $status: $(cat /tmp/stop.txt)"
    echo "# $(session_property "$path" Events) events, state $(session_property "$path" State)"
    [ "$(session_property "$path" State)" = sealed ] || not_ok kill-state "$(session_property "$path" State)"
    [ "$(session_property "$path" Result)" = success ] || not_ok kill-result "$(session_property "$path" Result)"
    [ "$(session_property "$path" LostEvents)" = 0 ] || not_ok kill-lost "$(session_property "$path" LostEvents)"
    echo "# warnings: $(session_property "$path" Warnings)"
    check_restored kill
    save kill
    rmmod mmiotrace-test
}

# Called by wait_for.
# shellcheck disable=SC2317
stop_is_sealed() {
    [ "$(session_property "$path" State)" = sealed ]
}

# The end of the service is the end of the session.
case_stop() {
    mmiotracectl -q start || give_up "cannot start the second session"
    path=$(active_session)
    kmod_load
    kmod_write stop count=0 pattern=4 &
    random_sleep 1000
    kill_daemon
    check_alive stop 'before the stop'
    random_sleep 1000
    systemctl stop mmiotraced || not_ok stop-status "systemctl stop failed"
    [ "$(systemctl show -P Result mmiotraced)" = success ] || not_ok stop-unit "$(systemctl show -P Result mmiotraced)"
    [ "$(systemctl show -P NFileDescriptorStore mmiotraced)" = 0 ] || not_ok stop-store "descriptors are left parked"
    kmod_stop stop
    check_restored stop
    ls /run/mmiotraced/undo* 2>/dev/null && not_ok stop-undo "an undo journal is left"
    # The question starts the daemon again, by D-Bus, and that one seals.
    wait_for 120 stop_is_sealed || not_ok stop-state "$(session_property "$path" State)"
    [ "$(session_property "$path" Result)" = success ] || not_ok stop-result "$(session_property "$path" Result)"
    [ "$(session_property "$path" LostEvents)" = 0 ] || not_ok stop-lost "$(session_property "$path" LostEvents)"
    save stop
}

# What xz makes of it is tested elsewhere, and slow under emulation.
printf '[Seal]\nLevel=0\n' >/etc/mmiotraced/mmiotraced.conf
systemctl start mmiotraced || give_up "the daemon does not start"
note_machine
case_kill
case_stop
finish
