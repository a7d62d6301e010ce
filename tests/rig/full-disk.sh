#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What becomes of a session when the disk gets full: before it begins, while it captures (by somebody else, and by itself),
# at a mark, and when it is sealed; and does it go on while what it has captured can still be compressed? What was recorded
# has to be in the log, value for value, or to be counted where it is missing.
#
# By name only: the time for all of tools/check is short.

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=full-disk
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
# shellcheck source=SCRIPTDIR/counter.sh
. "$here/counter.sh"
command -v jq >/dev/null || die "jq is missing" 77
command -v mke2fs >/dev/null || die "mke2fs is missing, install e2fsprogs" 77

# check_values NAME: one after the other from 0 on, up to the end or to a gap there. The metadata has their number, and
# that of the gap.
check_values() {
    local complaint
    unpack "$1" || return 0
    complaint=$(awk -v total="$(jq .events.writes "$work/$1.json")" -v lost="$(loss "$1" events)" '
        /^CPU:[0-9]+ \[LOST [0-9]+ EVENTS\]$/ { told += $3; next }
        /LOST/ { print "record " NR ": " $0; exit }
        told && /^[RW] / { print "record " NR " stands behind a gap"; exit }
        $1 == "W" && $2 == 4 {
            if ($6 != sprintf("0x%x", n)) {
                print "record " NR ": value " $6 " where " sprintf("0x%x", n) " is due"
                exit
            }
            n++
        }
        END {
            if (n != total)
                print n " values, but the metadata says " total
            if (told + 0 != lost)
                print told + 0 " events are lost according to the log, but the metadata says " lost
            if (n < 1000)
                print "only " n " values: this is no test"
            print "# " n " values, " lost " lost" >"/dev/stderr"
        }' "$work/$1.log")
    if [ -z "$complaint" ]; then ok "$1-values"; else not_ok "$1-values" "$complaint"; fi
}

# Nothing is lost, and the last value is the last one that was written.
check_whole() {
    check_values "$1"
    [ "$(loss "$1" events)" = 0 ] || not_ok "$1-lost" "$(loss "$1" events)"
    [ "$(jq .events.writes "$work/$1.json")" = "$(cat "$work/$1.next")" ] ||
        not_ok "$1-last" "$(jq .events.writes "$work/$1.json") of $(cat "$work/$1.next") values are in the log"
}

[ $# -gt 0 ] || set -- 6.12
for kernel; do
    rm -f "$work"/*.{next,tar.xz}
    truncate -s 64M "$work/disk"
    # Without a part for root, which the daemon could use.
    mke2fs -q -F -m 0 -t ext4 "$work/disk"
    run_kmod "$kernel" --disk "$work/disk" --timeout 300 || result=1
    for name in others itself; do
        check_values "$name"
    done
    for name in mark sealing small; do
        check_whole "$name"
    done
    grep -q '^MARK [0-9.]* on a full disk$' "$work/mark.log" || not_ok mark-text "there is none"
done
exit "$result"
