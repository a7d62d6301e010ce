#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# More than half a million accesses of every kind, taken by the daemon and printed by the kernel: /out/kernel.txt and
# /out/widths.tar.xz.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/kmod.sh
. "$(dirname "$0")/kmod.sh"

printf '[Seal]\nLevel=0\n' >/etc/mmiotraced/mmiotraced.conf
mmiotracectl -q start --buffer-size 48M || give_up "cannot start"
wait_for 60 drain_pid >/dev/null || give_up "there is no drain"
# It must take nothing while the kernel prints: what it took is not printed any more.
drain=$(drain_pid)
kill -STOP "$drain"
wait_for 60 grep -q '^State:.*stopped' "/proc/$drain/status" || give_up "the drain does not stop"
kmod_load
echo "# writing at $(cut -d ' ' -f 1 /proc/uptime)"
# 13 events for 7 values. The high half of the wide ones is not zero.
kmod_write widths first=0x123456789abc0000 count=280000 pattern=1248rtf
rmmod mmiotrace-test
echo "# printing at $(cut -d ' ' -f 1 /proc/uptime)"
echo 0 >"$tracing/tracing_on"
grep -v '^#' "$tracing/trace" >/tmp/kernel.txt
echo "# printed at $(cut -d ' ' -f 1 /proc/uptime)"
cp /tmp/kernel.txt /out/
kill -CONT "$drain"
status=0
mmiotracectl stop --wait >/tmp/stop.txt 2>&1 || status=$?
[ "$status" = 0 ] || not_ok widths-stop "mmiotracectl stop: $status: $(cat /tmp/stop.txt)"
save widths
finish
