#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Is a long log of accesses of every width what the kernel prints, to the byte?

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=widths
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
# shellcheck source=SCRIPTDIR/counter.sh
. "$here/counter.sh"
command -v jq >/dev/null || die "jq is missing" 77

[ $# -gt 0 ] || set -- 6.12
for kernel; do
    rm -f "$work"/*.{next,tar.xz} "$work/kernel.txt"
    run_kmod "$kernel" --memory 1536 --timeout 600 || result=1
    unpack widths || continue
    grep -vE '^(VERSION|PCIDEV) ' "$work/widths.log" >"$work/log.txt"
    if cmp "$work/kernel.txt" "$work/log.txt" >"$work/difference" 2>&1; then
        ok "widths-records ($(wc -l <"$work/log.txt") lines)"
    else
        not_ok widths-records "$(cat "$work/difference")"
        diff "$work/kernel.txt" "$work/log.txt" | head -n 10 || true
    fi
    for kind in 'W 1' 'W 2' 'W 4' 'W 8' 'R 4' UNKNOWN MAP UNMAP; do
        echo "# $kind: $(grep -c "^$kind " "$work/log.txt")"
        grep -q "^$kind " "$work/log.txt" || not_ok "widths-$kind" "there is none"
    done
    [ "$(grep -cE '^(R|W|UNKNOWN) ' "$work/log.txt")" -gt 500000 ] || not_ok widths-number "fewer than 500000"
done
exit "$result"
