# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The test module (tests/kmod) inside the rig, for the tests that write its counter. Sourced after common.sh.

kmod_device=/dev/mmiotrace-test
manager_object=/org/freedesktop/MmioTrace
session_interface=org.freedesktop.MmioTrace1.Session

kmod_load() {
    insmod /opt/kmod/mmiotrace-test.ko || give_up "the test module does not load"
    wait_for 10 [ -c "$kmod_device" ] || give_up "there is no $kmod_device"
}

# kmod_write NAME WORD…: do accesses (see the module) in this process, and note the value that would come next in
# /out/NAME.next, which is there once they are done.
kmod_write() {
    local name=$1 next
    shift
    exec {kmod_fd}<>"$kmod_device"
    echo "$*" >&"$kmod_fd" || not_ok "$name" "the module refuses: $*"
    read -r next <&"$kmod_fd"
    exec {kmod_fd}<&-
    echo "$next" >"/out/$name.next"
}

# Everything that is being written ends, and /out/NAME.next says where.
kmod_stop() {
    echo stop >"$kmod_device"
    wait_for 60 [ -s "/out/$1.next" ] || not_ok "$1" "the writer does not end"
}

active_session() {
    busctl get-property org.freedesktop.MmioTrace "$manager_object" org.freedesktop.MmioTrace1.Manager ActiveSession |
        sed -n 's/^o "\(.*\)"$/\1/p'
}

# session_property PATH NAME
session_property() {
    busctl get-property org.freedesktop.MmioTrace "$1" "$session_interface" "$2" | cut -d ' ' -f 2- | tr -d '"'
}

last_session() {
    find "$sessions" -maxdepth 1 -name '[0-9]*' -printf '%f\n' | sort -n | tail -n 1
}

# save NAME: the newest session's archive to /out.
save() {
    mmiotracectl -q export "$(last_session)" "/out/$1.tar.xz" || not_ok "$1-export" failed
}

# Rings that nobody ever sized have a size of their own kind, which cannot be set again.
note_machine() {
    echo 1408 >"$tracing/buffer_size_kb"
    machine_state >/tmp/machine-before 2>&1
}

# check_restored NAME: against what was noted.
check_restored() {
    machine_state >/tmp/machine-after 2>&1
    if diff /tmp/machine-before /tmp/machine-after >/tmp/machine-diff; then
        ok "$1-restored"
    else
        not_ok "$1-restored" "$(tr '\n' '|' </tmp/machine-diff)"
    fi
}
