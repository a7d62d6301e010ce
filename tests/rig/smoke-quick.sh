#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Does the quick rig work? On each kernel: trace the load of e1000e, and see that an exit
# status, a panic and a timeout come out as what they are.

set -euo pipefail
rig=$(cd "$(dirname "$0")/../../tools" && pwd -P)/rig-quick
work=$(mktemp -d)
watcher=''
trap '[ -z "$watcher" ] || kill "$watcher"; rm -rf "$work"' EXIT

fail() {
    echo "smoke-quick: $1" >&2
    cat "$work"/stdout "$work"/stderr >&2
    exit 1
}

# run STATUS ARGUMENTS…: run the rig and expect that exit status.
run() {
    local expected=$1 status=0
    shift
    "$rig" "$@" >"$work/stdout" 2>"$work/stderr" || status=$?
    [ "$status" != 77 ] || { cat "$work/stderr" >&2; exit 77; }
    [ "$status" = "$expected" ] || fail "status $status, not $expected, of: $*"
}

cat >"$work/trace" <<'SCRIPT'
# Output is live if the host can answer it.
echo ready
until [ -e /out/go ]; do sleep 0.1; done
cd /sys/kernel/tracing
before=$(cat /sys/devices/system/cpu/online)
echo 16384 >buffer_size_kb
echo mmiotrace >current_tracer
during=$(cat /sys/devices/system/cpu/online)
modprobe e1000e
events=$(grep -cE '^[RW] ' trace)
echo nop >current_tracer
after=$(cat /sys/devices/system/cpu/online)
echo "kernel=$(uname -r) events=$events cpus=$before,$during,$after arguments=$*"
date >/out/date
[ "$events" -gt 1000 ] && [ "$before,$during,$after" = 0-1,0,0-1 ] && exit 3
SCRIPT
echo 'echo c >/proc/sysrq-trigger' >"$work/panic"
echo 'sleep 1000' >"$work/hang"

[ $# -gt 0 ] || set -- 6.1 6.12
for kernel; do
    rm -f "$work/date" "$work/go"
    : >"$work/stdout"
    (until grep -qx ready "$work/stdout"; do sleep 0.2; done; : >"$work/go") &
    watcher=$!
    # The status 3 says that the script came to its end and that 3 is what comes out.
    run 3 --kernel "$kernel" --module e1000e --out "$work" \
        --qemu '-netdev user,id=n0,restrict=on -device e1000e,netdev=n0' "$work/trace" "a  b'c"
    grep -qF "arguments=a  b'c" "$work/stdout" || fail "the arguments are wrong"
    watcher=''
    [ "$(wc -l <"$work/stdout")" = 2 ] || fail "there is noise on stdout"
    [ -s "$work/date" ] || fail "/out is not shared"
    tail -n 1 "$work/stdout"
    run 125 --kernel "$kernel" "$work/panic"
    grep -q 'Kernel panic' "$work/stderr" || fail "the panic is not shown"
    run 124 --kernel "$kernel" --timeout 5 "$work/hang"
    grep -q '^rig-quick: timeout' "$work/stderr" || fail "the timeout is not told"
done
