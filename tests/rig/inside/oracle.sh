#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Captures, and at the same time saves what the kernel itself prints: /out/CASE/{kernel.txt,head.txt,archive.tar.xz}.

set -euo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

# The drain must take nothing while the kernel prints: what it took is not printed any more.
stop_drain() {
    wait_for 10 drain_pid >/dev/null || give_up "there is no drain"
    drain=$(drain_pid)
    kill -STOP "$drain"
    wait_for 10 grep -q '^State:.*stopped' "/proc/$drain/status" || give_up "the drain does not stop"
}

# print CASE: what the kernel prints of the session, without the comments at its head. Off before that, so that not one
# event comes behind it; that is how the drain itself would begin its end.
print() {
    mkdir "/out/$1"
    echo 0 >"$tracing/tracing_on"
    date +'# printing since %T' >"/tmp/times"
    grep -v '^#' "$tracing/trace" >"/tmp/kernel.txt"
    date +'# printed at %T' >>"/tmp/times"
    cp /tmp/kernel.txt "/out/$1/"
    kill -CONT "$drain"
}

# end CASE: stop, export, and have the kernel print the head of its pipe, which it does for whoever opens it.
end() {
    local status=0
    mmiotracectl -q stop --wait >/tmp/stop.txt 2>&1 || status=$?
    [ "$status" = "${2:-0}" ] || not_ok "$1-stop" "mmiotracectl stop: $status: $(cat /tmp/stop.txt)"
    mmiotracectl -q export "$(find "$sessions" -maxdepth 1 -name '[0-9]*' -printf '%f\n' | sort -n | tail -n 1)" \
        "/out/$1/archive.tar.xz" || not_ok "$1-export" failed
    echo mmiotrace >"$tracing/current_tracer"
    # Each read gives one line; it ends with EAGAIN, which dd calls a failure.
    dd if="$tracing/trace_pipe" bs=64K iflag=nonblock 2>/dev/null >"/out/$1/head.txt" || true
    echo nop >"$tracing/current_tracer"
}

case_driver() {
    mmiotracectl -q start --driver e1000e || give_up "cannot start"
    stop_drain
    mmiotracectl -q mark 'before the load'
    modprobe e1000e
    network_up || not_ok driver-network "no network"
    mmiotracectl -q mark 'Größe: "42" %s \n <&>'
    mmiotracectl -q mark "$(printf 'x%.0s' {1..512})"
    # The driver takes its mappings back: UNMAP.
    modprobe -r e1000e
    modprobe e1000e
    print driver
    end driver
    modprobe -r e1000e
}

# Far more events than the ring holds: it overwrites its oldest.
case_lossy() {
    mmiotracectl -q start --driver e1000e --buffer-size 64K || give_up "cannot start"
    stop_drain
    modprobe e1000e
    network_up || not_ok lossy-network "no network"
    print lossy
    end lossy 5
    modprobe -r e1000e
}

# The framebuffer is written with "rep movs": hundreds of thousands of events that the kernel cannot decode.
case_framebuffer() {
    mmiotracectl -q start --driver bochs --buffer-size "$1" || give_up "cannot start"
    stop_drain
    modprobe bochs
    udevadm settle
    if [ -e /dev/fb0 ]; then
        dd if=/dev/urandom of=/dev/fb0 bs=64K count=20 2>/dev/null || true
    fi
    # The driver copies behind the write.
    sleep 3
    print framebuffer
    end framebuffer
}

# What xz makes of it is tested elsewhere, and slow under emulation.
printf '[Seal]\nLevel=0\n' >/etc/mmiotraced/mmiotraced.conf
case_driver
case_lossy
case_framebuffer 200M
cat /tmp/times
finish
