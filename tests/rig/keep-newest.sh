#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A session at its limit that goes on (WhenFull=keep-newest): more than one may take is written by the test
# module, the daemon is killed in the middle. Each value has to be in the log, in order, or to be counted by the gap in its
# place; mappings and marks have to be there all of them; and the last part without a gap.

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=keep-newest
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
# shellcheck source=SCRIPTDIR/counter.sh
. "$here/counter.sh"
command -v jq >/dev/null || die "jq is missing" 77

# check_values NAME NEXT
check_values() {
    local complaint
    complaint=$(awk -v next_value="$2" -v given_up="$(loss "$1" events_given_up)" '
        /^CPU:[0-9]+ \[LOST [0-9]+ EVENTS\]$/ { n += $3; told += $3; whole = 0; next }
        $1 == "MAP" { maps++ }
        $1 == "W" && $2 == 4 {
            if ($6 != sprintf("0x%x", n)) {
                print "record " NR ": value " $6 " where " sprintf("0x%x", n) " is due"
                exit
            }
            n++
            whole++
        }
        $1 == "R" || $1 == "UNKNOWN" || /LOST/ { print "record " NR ": " $0; exit }
        END {
            if (n != next_value)
                print n " values, but " next_value " were written"
            if (told + 0 != given_up)
                print told + 0 " are given up according to the log, but the metadata says " given_up
            if (!maps)
                print "the mapping is missing"
            if (whole < 50000)
                print "only the last " whole " values are without a gap"
            print "# " n " values, " told " of them given up, the last " whole " are all there" >"/dev/stderr"
        }' "$work/$1.log")
    if [ -z "$complaint" ]; then ok "$1-values"; else not_ok "$1-values" "$complaint"; fi
}

# What raw/ of the archive is decoded to is the log.
check_raw() {
    rm -rf "$work/unpacked"
    mkdir "$work/unpacked"
    tar -xJf "$work/$1.tar.xz" -C "$work/unpacked"
    "$stage/usr/bin/mmiotrace-analyze" decode --formats "$work/unpacked/raw/formats" "$work/unpacked/raw" >"$work/$1.decoded"
    if grep -v '^VERSION\|^PCIDEV' "$work/$1.log" | cmp - <(grep -v '^VERSION\|^PCIDEV' "$work/$1.decoded"); then
        ok "$1-raw"
    else
        not_ok "$1-raw" "the pages are not the log"
    fi
}

[ $# -gt 0 ] || set -- 6.1
for kernel; do
    rm -f "$work"/*.{marks,next,tar.xz}
    run_kmod "$kernel" --memory 1536 --timeout 600 || result=1
    unpack newest || continue
    check_values newest "$(cat "$work/newest.next")"
    check_raw newest
    [ "$(loss newest events)" = 0 ] || not_ok newest-loss "the metadata tells of $(loss newest events) lost events"
    sed -n 's/^MARK [0-9.]* //p' "$work/newest.log" | cmp - "$work/newest.marks" || not_ok newest-marks "they differ"
    jq -e '.loss.places | length > 0 and all(.given_up)' "$work/newest.json" >/dev/null || not_ok newest-places "$(jq -c .loss "$work/newest.json")"
done
exit "$result"
