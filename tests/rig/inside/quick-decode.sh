#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# In the quick rig, by busybox: the same ring printed by the kernel and read raw, to /out/CASE; the cases are without
# and with call stacks, and with a ring that is too small.

set -eu
tracing=/sys/kernel/tracing

mkdir /out/formats
cp $tracing/events/header_page /out/formats/
for event in mmiotrace_rw mmiotrace_map print kernel_stack; do
    cp $tracing/events/ftrace/$event/format /out/formats/$event.format
done
echo mono >$tracing/trace_clock

for case in plain stacks lossy; do
    mkdir /out/$case
    cd $tracing
    case $case in
        lossy) echo 64 >per_cpu/cpu0/buffer_size_kb ;;
        *) echo 16384 >per_cpu/cpu0/buffer_size_kb ;;
    esac
    echo 0 >options/stacktrace
    [ $case != stacks ] || echo 1 >options/stacktrace
    echo mmiotrace >current_tracer
    echo 'begin: Größe "42" %s' >trace_marker
    modprobe e1000e
    interface=$(ls /sys/bus/pci/drivers/e1000e/0000:*/net)
    ifconfig "$interface" 10.0.2.15 up
    # The link needs a second to come up.
    n=0
    until [ "$(cat "/sys/class/net/$interface/carrier")" = 1 ]; do
        sleep 0.2
        n=$((n + 1))
        [ $n -lt 100 ]
    done
    ping -c 1 -W 5 10.0.2.2 >/dev/null
    echo 'end' >trace_marker
    echo 0 >tracing_on
    # The driver is bound, as it is when the head below is printed.
    cat /proc/bus/pci/devices >/out/$case/pci_devices
    grep -v '^#' trace >/tmp/kernel.txt
    # Each read takes one sub-buffer, also one that is not full; a read of the empty ring never ends.
    timeout 5 dd if=per_cpu/cpu0/trace_pipe_raw of=/tmp/cpu0.raw bs=4096 2>/dev/null || true
    timeout 5 dd if=trace_pipe of=/tmp/head.txt bs=65536 2>/dev/null || true
    grep '^VERSION \|^PCIDEV ' /tmp/head.txt >/out/$case/head.txt
    cp /tmp/kernel.txt /tmp/cpu0.raw /out/$case/
    cd /
    echo nop >$tracing/current_tracer
    echo 1 >$tracing/tracing_on
    modprobe -r e1000e
done
