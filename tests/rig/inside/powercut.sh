#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# /out/phase says what to do on the disk that outlives this machine: "cut" and "panic" write values, with a stamp of how
# far they are ten times a second, until the machine is no more; "recover" looks at what the daemon makes of it.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/kmod.sh
. "$(dirname "$0")/kmod.sh"

# Sessions and journal lie on the disk.
mount_disk() {
    mkdir -p /var/lib/mmiotraced /var/log/journal /run/disk
    mount /dev/vda /run/disk || give_up "the disk cannot be mounted"
    mkdir -p /run/disk/sessions /run/disk/journal
    mount --bind /run/disk/sessions /var/lib/mmiotraced
    mount --bind /run/disk/journal /var/log/journal
    journalctl --flush
    printf '[Seal]\nLevel=0\n' >/etc/mmiotraced/mmiotraced.conf
}

# The last device of its kind is memory that the machine does not lose, in BAR 2.
load_ramoops() {
    local device start
    for device in /sys/bus/pci/devices/*; do
        if [ "$(cat "$device/vendor" "$device/device" | tr '\n' ' ')" = '0x1af4 0x1110 ' ]; then
            start=$(sed -n '3s/ .*//p' "$device/resource")
        fi
    done
    modprobe ramoops mem_address="$start" mem_size=0x400000 record_size=0x40000 max_reason=2 || give_up "ramoops does not load"
    # As much of its log as the kernel has.
    mount -o remount,kmsg_bytes=262144 /sys/fs/pstore || give_up "pstore cannot be set up"
}

# print_stamps N: a value is taken before the time, so what a stamp tells was written by then.
print_stamps() {
    local n value uptime
    for ((n = 0; n < $1; n++)); do
        read -r value </sys/module/mmiotrace_test/parameters/next
        read -r uptime _ </proc/uptime
        echo "stamp $uptime $value"
        sleep 0.1
    done
}

# Called by wait_for.
# shellcheck disable=SC2317
journal_tells() {
    journalctl -q -b -k -o cat | grep -q '^mmiotrace: enabled'
}

write_until_the_end() {
    mmiotracectl -q start --description "$1" || give_up "cannot start"
    kmod_load
    mmiotracectl -q mark 'the beginning' >/dev/null || give_up "cannot mark"
    # What the kernel has said of the session so far: journald takes its time to get it, and to bring it to the disk.
    wait_for 60 journal_tells || give_up "the journal does not tell of the session"
    # Not journalctl --sync: the next message calls that off (journald's set_online() cancels the thread that would
    # fsync), on a single CPU mostly before it has begun.
    sync --file-system /run/disk
    kmod_write "$1" count=0 pattern=4 &
    print_stamps "$2"
}

check_recovered() {
    local name=$1 id=$2 path=$manager_object/session/_$2
    [ "$(session_property "$path" State)" = sealed ] || not_ok "$name-state" "$(session_property "$path" State)"
    [ "$(session_property "$path" Result)" = interrupted ] || not_ok "$name-result" "$(session_property "$path" Result)"
    echo "# $name: $(session_property "$path" Warnings)"
    mmiotracectl -q export "$id" "/out/$name.tar.xz" || not_ok "$name-export" failed
}

# Called by wait_for.
# shellcheck disable=SC2317
all_are_sealed() {
    [ "$(mmiotracectl list --json=short | jq -r '[.[] | select(.state != "sealed" and .state != "failed")] | length')" = 0 ]
}

mount_disk
case $(cat /out/phase) in
    cut)
        systemctl start mmiotraced || give_up "the daemon does not start"
        write_until_the_end cut 10000
        ;;
    panic)
        load_ramoops
        printf '[Capture]\nDumpOnOops=yes\n' >>/etc/mmiotraced/mmiotraced.conf
        systemctl start mmiotraced || give_up "the daemon does not start"
        write_until_the_end panic "$(cat /out/stamps)"
        echo c >/proc/sysrq-trigger
        ;;
    recover)
        note_machine
        load_ramoops
        systemctl start mmiotraced || give_up "the daemon does not start"
        wait_for 120 all_are_sealed || give_up "not all sessions are sealed"
        mmiotracectl list
        check_recovered cut 1
        check_recovered panic 2
        check_restored recover
        ls /run/mmiotraced/undo* 2>/dev/null && not_ok recover-undo "an undo journal is left"
        ;;
esac
finish
