#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What can be wrong in a running system, one thing after the other: each is brought about, found, and taken back. Then
# what only a session can find, or what goes wrong in it.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/kmod.sh
. "$(dirname "$0")/kmod.sh"
# shellcheck source=SCRIPTDIR/findings.sh
. "$(dirname "$0")/findings.sh"

device=$(basename "$(grep -lx 0x10d3 /sys/bus/pci/devices/*/device | xargs dirname)")
held=''

# Called by name, from the table.
# shellcheck disable=SC2317
{
set_tracer() { echo "$1" >"$tracing/current_tracer"; }
set_events() { echo "$1" >"$tracing/events/sched/sched_process_fork/enable"; }
set_traceoff() { sysctl -q kernel.traceoff_on_warning="$1"; }
hold() { exec 9<"$tracing/$1"; }
release() { exec 9<&-; }
read_pipe() {
    cat "$tracing/trace_pipe" >/dev/null &
    held=$!
    wait_for 10 fuser -s "$tracing/trace_pipe"
}
end_reader() { kill "$held"; wait "$held" 2>/dev/null || :; }
socket() { systemctl "$1" mmiotraced-inspect.socket; }
load() { modprobe e1000e; udevadm settle; }
unload() { modprobe -r e1000e; }
load_unbound() { load; echo "$device" >/sys/bus/pci/drivers/e1000e/unbind; }
# In the order in which the kernel lets go of it.
give_to_stub() {
    modprobe pci-stub
    echo pci-stub >"/sys/bus/pci/devices/$device/driver_override"
    echo "$device" >/sys/bus/pci/drivers_probe
}
take_from_stub() {
    echo "$device" >/sys/bus/pci/drivers/pci-stub/unbind
    echo >"/sys/bus/pci/devices/$device/driver_override"
    modprobe -r pci-stub
}
fill_disk() {
    printf '[Storage]\nMaxUse=1M\n' >/etc/mmiotraced/mmiotraced.conf
    systemctl restart mmiotraced
}
empty_disk() {
    rm /etc/mmiotraced/mmiotraced.conf
    systemctl restart mmiotraced
}
# The daemon binds it at its start.
unmount_tracefs() {
    systemctl mask --quiet --runtime sys-kernel-tracing.mount
    umount /sys/kernel/tracing && umount /sys/kernel/debug && systemctl restart mmiotraced
}
mount_tracefs() {
    systemctl unmask --quiet --runtime sys-kernel-tracing.mount
    mount -t debugfs debugfs /sys/kernel/debug
    systemctl start sys-kernel-tracing.mount
    systemctl restart mmiotraced
}
nothing() { :; }
}

mmiotracectl -q list >/tmp/answer || give_up "the daemon does not answer"
note_machine

if look; then ok all-is-well; else not_ok all-is-well "$(cat /tmp/answer /tmp/errors)"; fi
while IFS='|' read -r name id level pattern options bring take; do
    [ -n "$name" ] || continue
    # Words, all of them.
    # shellcheck disable=SC2086
    {
        $bring || not_ok "$name" "$bring failed"
        finds "$name" "$id" "$level" "$pattern" $options </dev/null
        $take || not_ok "$name" "$take failed"
    }
done <<'TABLE'
other-tracer|tracer|blocker|"function" is in use.*insist||set_tracer function|set_tracer nop
stale-mmiotrace|tracer|blocker|already on||set_tracer mmiotrace|set_tracer nop
pipe-reader|trace-pipe-readers|blocker|: cat \(pid [0-9]+\). End it||read_pipe|end_reader
raw-reader|trace-pipe-readers|blocker|: .*\(pid [0-9]+\).*End it||hold per_cpu/cpu1/trace_pipe_raw|release
trace-reader|trace-readers|blocker|refuses to size the ring buffer: .*\(pid||hold trace|release
no-reader-unit|trace-pipe-readers|note|not known: The reader unit||socket stop|socket start
events|trace-events|warning|switched on||set_events 1|set_events 0
traceoff|traceoff-on-warning|warning|sysctl||set_traceoff 1|set_traceoff 0
no-tracefs|tracefs|blocker|systemctl start sys-kernel-tracing.mount||unmount_tracefs|mount_tracefs
ring|ring-memory|blocker|does not fit|--buffer-size 64G|nothing|nothing
ring-of-events|ring-memory|blocker|does not fit|--expect-events 2000M|nothing|nothing
disk|disk-space|blocker|MaxUse=||fill_disk|empty_disk
expected|disk-space|warning|events take|--expect-events 20M|nothing|nothing
unknown-driver|driver|blocker|called "nosuch"|--driver nosuch|nothing|nothing
built-in|driver-built-in|blocker|cannot be loaded|--driver pcieport --load|nothing|nothing
built-in-bound|driver-bound|blocker|Start with --rebind|--driver serial|nothing|nothing
bound-elsewhere|driver-bound|blocker|rtc_cmos already drives .*\(p[a-z]+\)|--driver rtc_cmos|nothing|nothing
io-only|bars-without-memory|warning|I/O ports|--driver serial|nothing|nothing
no-device|driver-devices|warning|no PCI device|--driver padlock_sha|nothing|nothing
blacklisted|driver-blacklisted|note|command line|--driver e1000e|nothing|nothing
bound|driver-bound|blocker|modprobe -r e1000e.*--rebind|--driver e1000e|load|unload
loaded|driver-loaded|blocker|already loaded|--driver e1000e --load|load_unbound|unload
not-bound|driver-bound|blocker|nothing to rebind|--driver e1000e --rebind|nothing|nothing
root-file-system|driver-in-use|blocker|which would be gone|--driver virtio-pci --rebind|nothing|nothing
other-driver|other-driver|blocker|\(pci-stub\)|--driver e1000e --load|give_to_stub|take_from_stub
cpus|cpus|note|1 will be offline||nothing|nothing
preemption|preemption|note|preempt=full||nothing|nothing
TABLE
check_restored table

if runuser -u nobody -- mmiotracectl --no-ask-password check >/tmp/answer 2>&1; then
    not_ok not-root "$(cat /tmp/answer)"
else
    ok not-root
    n_found=$((n_found + 1))
fi

# Called by wait_for.
# shellcheck disable=SC2317
warned() { session_property "$path" Warnings | grep -q "$1"; }

# Called by wait_for.
# shellcheck disable=SC2317
ring_is_empty() { grep -qx 'entries: 0' "$tracing/per_cpu/cpu0/stats"; }

# tells NAME PATTERN: a warning of the session.
tells() {
    if wait_for 30 warned "$2"; then
        ok "$1"
        n_found=$((n_found + 1))
    else
        not_ok "$1" "no \"$2\" in: $(session_property "$path" Warnings)"
    fi
}

start() {
    mmiotracectl -q start "$@" >/tmp/answer 2>&1 || give_up "cannot start $*: $(cat /tmp/answer)"
    path=$(active_session)
}

# What others do to a session.
start --buffer-size 8M
finds running session blocker 'Session [0-9]+ is capturing.*mmiotracectl stop'
insmod /opt/kmod/mmiotrace-test.ko extra_offset=0x100 extra_bytes=0x1000
tells unaligned-mapping 'inside a page'
rmmod mmiotrace-test
insmod /opt/kmod/mmiotrace-test.ko extra_offset=0 extra_bytes=0x210000
tells huge-page-tail 'pages of 2 MiB'
kmod_write unknown count=1000 pattern=t
# What comes next wipes what is not taken by then.
wait_for 30 ring_is_empty || not_ok unknown "the ring is not drained"
if mmiotracectl mark $'a\nW 4 1.0 1 0x0 0x0 0x0 0' >/tmp/answer 2>&1; then not_ok mangled-mark taken; else ok mangled-mark; fi
echo global >"$tracing/trace_clock"
tells clock 'changed the trace clock'
kmod_write more count=1000
: >"$tracing/trace"
tells wiped 'wiped the ring'
echo 1 >"$tracing/tracing_cpumask"
tells cpumask 'which CPUs are traced'
echo 3 >"$tracing/tracing_cpumask"
echo 0 >"$tracing/tracing_on"
tells recording-off 'switched the recording off'
mmiotracectl -q stop --wait >/tmp/answer 2>&1
tells undecoded 'does not decode'
rmmod mmiotrace-test
check_restored session

# A driver that was there before, because somebody insisted; and a ring that is too small.
load
start --driver e1000e --force --buffer-size 64K
tells insisted 'already drives'
wait_for 60 drain_pid >/dev/null && kill -STOP "$(drain_pid)"
insmod /opt/kmod/mmiotrace-test.ko
kmod_write lost count=8000
kill -CONT "$(drain_pid)"
unload
tells mapped-before 'UNMAP -1'
status=0
mmiotracectl -q stop --wait >/tmp/answer 2>&1 || status=$?
lost=$(session_property "$path" LostEvents)
if [ "$status" = 5 ] && [ "$lost" -gt 1000 ]; then
    ok "ring-too-small ($lost lost)"
    n_found=$((n_found + 1))
else
    not_ok ring-too-small "status $status, $lost lost"
fi
rmmod mmiotrace-test
check_restored loss

# Called by wait_for.
# shellcheck disable=SC2317
counted() { [ "$(session_property "$path" Events)" -ge "$1" ]; }

# count_lines PATTERN: in the log of the last session.
count_lines() { tar -xJOf /out/last.tar.xz mmiotrace.log | grep -cE "$1"; }

# While the recording is off, mmiotrace counts each access as dropped, and the next line of text says that so many events
# are lost (kernel/trace/trace_mmiotrace.c, mmio_trace_rw()). They were not to be recorded, so they are no loss.
false_loss() {
    local n_lost n_lines n_writes status=0
    start --buffer-size 8M
    kmod_load
    kmod_write "$1-before" count=1000
    wait_for 30 ring_is_empty || not_ok "$1" "the ring is not drained"
    echo 0 >"$tracing/tracing_on"
    kmod_write "$1-unseen" count=500
    tells "$1" 'switched the recording off'
    echo 1 >"$tracing/tracing_on"
    kmod_write "$1-after" first=2000 count=1000
    mmiotracectl -q stop --wait >/tmp/answer 2>&1 || status=$?
    rmmod mmiotrace-test
    mmiotracectl -q export --force "$(last_session)" /out/last.tar.xz || not_ok "$1" "no archive"
    n_lost=$(session_property "$path" LostEvents)
    n_lines=$(count_lines 'Lost [0-9]|LOST')
    n_writes=$(count_lines '^W ')
    if [ "$status $n_lost $n_lines $n_writes" = '0 0 0 2000' ]; then
        ok "$1-is-none"
    else
        not_ok "$1-is-none" "status $status, $n_lost lost, $n_lines lines say so, $n_writes writes"
    fi
    check_restored "$1"
}
false_loss false-loss
printf '[Capture]\nSource=text\n' >/etc/mmiotraced/mmiotraced.conf
systemctl restart mmiotraced
false_loss false-loss-text
rm /etc/mmiotraced/mmiotraced.conf
systemctl restart mmiotraced

# A mapping in one page of 1G, which mmiotrace cannot watch.
start --buffer-size 8M
insmod /opt/kmod/mmiotrace-test.ko extra_offset=0 extra_bytes=0x40000000
tells giant-page 'could not watch a page of a mapping.*unexpected page level 0x3.*nohugeiomap'
mmiotracectl -q stop --wait >/tmp/answer 2>&1
rmmod mmiotrace-test
check_restored giant-page

# Somebody takes a snapshot, which takes what is in the ring away with it.
start --buffer-size 8M
kmod_load
kmod_write snapshot-before count=1000
wait_for 30 ring_is_empty || not_ok snapshot "the ring is not drained"
# By then the drain has seen that it had read some.
wait_for 30 counted 1000 || not_ok snapshot "$(session_property "$path" Events) events"
echo 1 >"$tracing/snapshot"
tells snapshot 'wiped the ring buffer.*snapshot'
kmod_write snapshot-after first=2000 count=1000
mmiotracectl -q stop --wait >/tmp/answer 2>&1
echo 0 >"$tracing/snapshot"
rmmod mmiotrace-test
mmiotracectl -q export --force "$(last_session)" /out/last.tar.xz || not_ok snapshot "no archive"
n_writes=$(count_lines '^W ')
if [ "$n_writes" = 2000 ]; then ok snapshot-log; else not_ok snapshot-log "$n_writes writes"; fi
check_restored snapshot

# There is no way back from this.
echo confidentiality >/sys/kernel/security/lockdown
look
found lockdown-raised lockdown blocker 'lockdown=integrity'
echo "# $n_found found"
finish
