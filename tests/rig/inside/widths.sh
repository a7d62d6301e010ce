#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# More than half a million accesses of every kind, taken by the daemon and printed by the kernel: /out/kernel.txt and
# /out/widths.tar.xz. Then one that the kernel does not survive unharmed.

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

# An access over the border of two pages, of which the writer dies. That is said, and the session goes on; what a program
# claims in the kernel's name is not.
warnings() {
    session_property "$(active_session)" Warnings
}
# Called by wait_for.
# shellcheck disable=SC2317
oops_is_told() {
    warnings | grep -q 'The kernel oopsed at [0-9.]*: BUG: unable to handle page fault'
}
note_machine
mmiotracectl -q start || give_up "cannot start again"
kmod_load
echo 'BUG: claimed by a program' >/dev/kmsg
{ (kmod_write oops pattern=x); } 2>/dev/null
[ ! -e /out/oops.next ] || not_ok oops "the writer has survived"
wait_for 60 oops_is_told || not_ok oops-told "$(warnings); $(journalctl -q -b -k -o cat | tail -n 30)"
warnings | grep -q 'A driver made an access that mmiotrace cannot trace' || not_ok oops-why "$(warnings)"
if warnings | grep -q claimed; then
    not_ok oops-program "$(warnings)"
fi
journalctl -q -b -k -o cat | grep -q 'claimed by a program' || not_ok oops-program "the journal does not have it"
[ "$(session_property "$(active_session)" State)" = capturing ] || not_ok oops-goes-on "it does not"
# Whether anybody asked for it or not (kernel/panic.c, oops_enter()).
[ "$(cat "$tracing/tracing_on")" = 0 ] || not_ok oops-records "the kernel records on"
warnings | grep -q 'With an oops the kernel stops recording' || not_ok oops-records "it is not said: $(warnings)"
if mmiotracectl -q mark 'after the oops' >/dev/null 2>&1; then
    not_ok oops-mark "it is taken"
fi
path=$(active_session)
mmiotracectl -q stop --wait >/tmp/stop.txt 2>&1 || not_ok oops-stop "$(cat /tmp/stop.txt)"
[ "$(session_property "$path" Result)" = success ] || not_ok oops-result "$(session_property "$path" ResultText)"
mmiotracectl show "${path##*_}" | grep 'oopsed' || not_ok oops-show "it is not shown"
check_restored oops
finish
