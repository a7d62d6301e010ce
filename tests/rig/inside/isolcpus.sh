#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Captures where two CPUs stay online, and writes on both.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/kmod.sh
. "$(dirname "$0")/kmod.sh"

# write_on CPU COUNT: each on pages of its own, because an access is lost without a trace when another CPU is in the
# middle of one to the same page.
write_on() {
    taskset -cp "$1" "$BASHPID" >/dev/null || not_ok "cpu$1" "cannot run there"
    kmod_write "cpu$1" "first=$(($1 * 0x10000000)) count=$2 window=$1 yield=16"
}

printf '[Seal]\nLevel=0\n' >/etc/mmiotraced/mmiotraced.conf
systemctl start mmiotraced || give_up "the daemon does not start"
note_machine
[ "$(cat /sys/devices/system/cpu/online)" = 0-2 ] || give_up "online: $(cat /sys/devices/system/cpu/online)"
mmiotracectl start --buffer-size 4M >/tmp/start.txt 2>&1 || give_up "cannot start: $(cat /tmp/start.txt)"
path=$(active_session)
[ "$(cat /sys/devices/system/cpu/online)" = 0-1 ] || give_up "online now: $(cat /sys/devices/system/cpu/online)"
grep -i '^ *warning.*CPU' /tmp/start.txt || not_ok warning "none at the start: $(cat /tmp/start.txt)"
session_property "$path" Warnings | grep -q 'does not take 1 offline (it is busy, .*isolcpus=.*boot with maxcpus=1' ||
    not_ok warning "none on the session: $(session_property "$path" Warnings)"
# Called by wait_for.
# shellcheck disable=SC2317
kernel_said() { session_property "$path" Warnings | grep -q 'Error taking CPU1 down: -16): it is busy'; }
wait_for 30 kernel_said || not_ok kernel-said "$(session_property "$path" Warnings)"
for cpu in 0 1; do
    size=$(cat "$tracing/per_cpu/cpu$cpu/buffer_size_kb")
    [ "$size" -ge 4096 ] || not_ok "cpu$cpu-ring" "it has $size KB"
done
kmod_load
write_on 0 60000 & write_on 1 60000 &
wait
mmiotracectl -q mark 'both are done' >/dev/null || not_ok mark "it is refused"
cat "$tracing"/per_cpu/cpu[01]/stats | sed -n '/^overrun\|^dropped/s/^/# /p'
status=0
mmiotracectl stop --wait >/tmp/stop.txt 2>&1 || status=$?
[ "$status" = 0 ] || not_ok stop "mmiotracectl stop: $status: $(cat /tmp/stop.txt)"
check_restored isolcpus
save isolcpus
finish
