#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Is the log what the kernel would have printed? On each kernel the same session is taken by the daemon and printed by
# the kernel, and both must be the same to the byte: all records, and the list of PCI devices at the head.

set -euo pipefail
test=oracle
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
failed=0

check() {
    if cmp "$2" "$3" >"$work/difference" 2>&1; then
        echo "ok $1 ($(wc -l <"$2") lines)"
    else
        echo "not ok $1: $(cat "$work/difference")"
        diff "$2" "$3" | head -n 10 || true
        failed=1
    fi
}

# compare DIRECTORY NAME
compare() {
    local log=$1/log
    tar -xJf "$1/archive.tar.xz" -O mmiotrace.log >"$log" || {
        echo "not ok $2: no log in the archive"
        failed=1
        return
    }
    sed -n '/^VERSION \|^PCIDEV /!q; p' "$log" >"$1/log-head.txt"
    tail -n "+$(($(wc -l <"$1/log-head.txt") + 1))" "$log" >"$1/log.txt"
    check "$2-head" "$1/head.txt" "$1/log-head.txt"
    [ "$(wc -l <"$1/log-head.txt")" -gt 1 ] || { echo "not ok $2-head: it is empty"; failed=1; }
    if [ "$2" = lossy ]; then
        # The iterator behind "trace" says nothing of what was overwritten before its first page, unlike the pipe.
        grep -m 1 '^CPU:0 \[LOST [0-9]* EVENTS\]$\|^CPU:0 \[LOST EVENTS\]$' "$1/log.txt" || {
            echo "not ok lossy-told: the log does not tell of the loss"
            failed=1
        }
        sed -i '/^CPU:0 \[LOST /d' "$1/log.txt" "$1/kernel.txt"
    fi
    check "$2-records" "$1/kernel.txt" "$1/log.txt"
}

[ $# -gt 0 ] || set -- 6.1
for kernel; do
    rm -rf "$work"/{driver,lossy,framebuffer}
    run_inside "$kernel" --memory 1536 --blacklist bochs --qemu '-device bochs-display' \
        --append 'video=640x480' || failed=1
    for name in driver lossy framebuffer; do
        compare "$work/$name" "$name"
    done
done
exit "$failed"
