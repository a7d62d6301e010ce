#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Are raw pages of a real ring decoded to what the kernel prints of them? In the quick rig, so without the daemon.

set -euo pipefail
test=quick-decode
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
analyze=$stage/usr/bin/mmiotrace-analyze
failed=0

# compare CASE
compare() {
    local dir=$work/$1
    cat "$dir/head.txt" "$dir/kernel.txt" >"$dir/expected"
    "$analyze" decode --formats "$work/formats" --pci-devices "$dir/pci_devices" -o "$dir/decoded" "$dir/cpu0.raw" \
        2>"$dir/errors" || true
    if [ "$1" = lossy ]; then
        # "trace" says nothing of what was overwritten before its first page, unlike the pipe.
        grep -q '^CPU:0 \[LOST [0-9]* EVENTS\]$' "$dir/decoded" || { echo "not ok lossy-told: no loss"; failed=1; }
        sed -i '/^CPU:0 \[LOST /d' "$dir/decoded"
    fi
    if [ "$(wc -l <"$dir/kernel.txt")" -gt 1000 ] && cmp "$dir/expected" "$dir/decoded" >>"$dir/errors" 2>&1; then
        echo "ok $1 ($(wc -l <"$dir/expected") lines)"
    else
        echo "not ok $1: $(cat "$dir/errors")"
        diff "$dir/expected" "$dir/decoded" | head -n 10 || true
        failed=1
    fi
}

[ $# -gt 0 ] || set -- 6.12
for kernel; do
    rm -rf "$work"/{formats,plain,stacks,lossy}
    status=0 start=$SECONDS
    "$tools/rig-quick" --kernel "$kernel" --module e1000e --out "$work" \
        --qemu '-netdev user,id=n0,restrict=on -device e1000e,netdev=n0' "$here/inside/quick-decode.sh" || status=$?
    [ "$status" != 77 ] || exit 77
    echo "# $test on $kernel: status $status after $((SECONDS - start)) s"
    [ "$status" = 0 ] || failed=1
    for name in plain stacks lossy; do
        compare "$name"
    done
done
exit "$failed"
