#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Is every lost event counted, and each gap at its place? The ring is too small on purpose, in both modes. Kernel,
# session, metadata and log must agree to the event; each gap must stand where values of the test module's counter are
# missing, and say how many.

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=loss
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
# shellcheck source=SCRIPTDIR/counter.sh
. "$here/counter.sh"
command -v jq >/dev/null || die "jq is missing" 77

# gaps NAME EXACT: complains of gaps that are not where values are missing. With all gaps below value EXACT taken at
# their word; behind it only the sum counts, as events may be taken on both sides of a refused one.
# Called by check_loss.
# shellcheck disable=SC2317
gaps() {
    awk -v exact="$2" -v last=221999 '
        function hex(text,    i, n) {
            for (i = 3; i <= length(text); i++)
                n = n * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1
            return n + 0
        }
        function missing(n, where) {
            if (n < 0)
                print "value " where " comes twice or too late"
            if (where <= exact && n != told)
                print n " values are missing before " where ", but the gap there says " told + 0
            all_missing += n
            if (where <= exact)
                told = 0
        }
        BEGIN { before = -1 }
        /^CPU:0 \[LOST [0-9]+ EVENTS\]$/ { told += $3; all_told += $3; next }
        /LOST/ { print "record " NR ": " $0 }
        $1 == "W" { value = hex($6); missing(value - before - 1, value); before = value }
        END {
            missing(last - before, last + 1)
            if (all_missing != all_told)
                print all_missing " values are missing, but the gaps sum up to " all_told + 0
            if (all_missing < 10000)
                print "only " all_missing " values are missing: this is no test"
        }' "$work/$1.log"
}

# With marks among the accesses: what is missing of both together, and no gap smaller than the values missing there.
# shellcheck disable=SC2317
gaps_with_marks() {
    awk -v marks="$(cat "$work/uncounted.marks")" '
        function hex(text,    i, n) {
            for (i = 3; i <= length(text); i++)
                n = n * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1
            return n + 0
        }
        BEGIN { before = -1 }
        /^CPU:0 \[LOST [0-9]+ EVENTS\]$/ { told += $3; all_told += $3; next }
        /LOST/ { print "record " NR ": " $0 }
        $1 == "MARK" { n_marks++ }
        $1 == "W" {
            value = hex($6)
            if (value <= before)
                print "value " value " comes twice or too late"
            if (value - before - 1 > told)
                print value - before - 1 " values are missing before " value ", but the gap there says " told + 0
            before = value
            told = 0
            n_values++
        }
        END {
            missing = 4400 - n_values + marks - n_marks
            if (missing != all_told)
                print missing " are missing, but the gaps sum up to " all_told + 0
        }' "$work/uncounted.log"
}

# in_order NAME: the records behind the gap of one CPU are never before it.
in_order() {
    awk '/^[WR] / { if ($3 < time) { print "record " NR " is older than the one before it"; exit } time = $3 }' "$work/$1.log"
}

# check_loss NAME COMMAND…: which complains of gaps.
check_loss() {
    local complaint kernel
    kernel=$(cat "$work/$1.kernel")
    unpack "$1" || return 0
    [ "$(cat "$work/$1.session")" = "$kernel" ] ||
        not_ok "$1-session" "LostEvents is $(cat "$work/$1.session"), the kernel says $kernel"
    [ "$(loss "$1" events)" = "$kernel" ] ||
        not_ok "$1-metadata" "the metadata says $(loss "$1" events), the kernel $kernel"
    [ "$(loss "$1" events_placed_in_log)" = "$kernel" ] ||
        not_ok "$1-placed" "$(loss "$1" events_placed_in_log) have a place in the log, of $kernel"
    [ "$(loss "$1" gaps)" = "$(grep -c 'LOST' "$work/$1.log")" ] || not_ok "$1-number" "$(loss "$1" gaps) gaps in the metadata"
    complaint=$("${@:2}" | head -n 5)
    [ -z "$complaint" ] || not_ok "$1-gaps" "$complaint"
    complaint=$(in_order "$1")
    [ -z "$complaint" ] || not_ok "$1-order" "$complaint"
    tar -xJf "$work/$1.tar.xz" -O description.txt | grep -q "THE TRACE IS NOT COMPLETE: $kernel events were lost" ||
        not_ok "$1-description" "it does not tell of the loss"
    ok "$1-loss ($kernel lost in $(loss "$1" gaps) gaps, $(loss "$1" gaps_without_count) without a count)"
}

[ $# -gt 0 ] || set -- 6.12
for kernel; do
    rm -f "$work"/*.{next,tar.xz,kernel,session,marks}
    run_kmod "$kernel" --timeout 600 || result=1
    check_loss newest gaps newest 222000
    check_loss oldest gaps oldest 22000
    check_loss uncounted gaps_with_marks
done
exit "$result"
