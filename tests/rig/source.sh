#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Do both sources give the log that the kernel would have printed, and count what is lost as the kernel does? And is a
# kernel whose pages are of an unknown form captured as text?

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=source
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
command -v jq >/dev/null || die "jq is missing" 77
result=0

ok() {
    echo "ok $1"
}

not_ok() {
    echo "not ok $1: $2"
    result=1
}

# same NAME EXPECTED GOT
same() {
    if cmp "$2" "$3" >"$work/difference" 2>&1; then
        ok "$1 ($(wc -l <"$3") lines)"
    else
        not_ok "$1" "$(cat "$work/difference")"
        diff "$2" "$3" | head -n 10 || true
    fi
}

# is NAME EXPECTED GOT
is() {
    if [ "$2" = "$3" ]; then ok "$1 ($3)"; else not_ok "$1" "$3, not $2"; fi
}

# member FILTER: of the case's metadata.
member() {
    jq -r "$1" "$dir/metadata.json"
}

stat_of() {
    sed -n "s/^$1: //p" "$dir/stats"
}

# unpack CASE: sets $dir, with head.txt and log.txt in it.
unpack() {
    dir=$work/$1
    if ! tar -xJf "$dir/archive.tar.xz" -C "$dir" mmiotrace.log metadata.json; then
        not_ok "$1-archive" "there is none, or it is not complete"
        return 1
    fi
    grep '^VERSION \|^PCIDEV ' "$dir/mmiotrace.log" >"$dir/log-head.txt" || true
    sed '/^VERSION \|^PCIDEV /d' "$dir/mmiotrace.log" >"$dir/log.txt"
    same "$1-head" "$dir/head.txt" "$dir/log-head.txt"
    is "$1-source" "${1%%-*}" "$(member .session.source)"
    ! grep -q '^MARK 0\.000000 Lost' "$dir/log.txt" || not_ok "$1-reports" "the log has the kernel's own reports of loss"
}

# check_counts CASE: against what the kernel counted when the recording was off.
check_counts() {
    is "$1-lost" $(($(stat_of overrun) + $(stat_of 'dropped events'))) "$(member .loss.events)"
    is "$1-placed" "$(member .loss.events)" "$(member .loss.events_placed_in_log)"
    is "$1-events" $(($(stat_of entries) + $(stat_of 'read events'))) "$(member .events.total)"
}

[ $# -gt 0 ] || set -- 6.12
for kernel; do
    rm -rf "$work"/{raw,text}-* "$work"/auto
    run_inside "$kernel" || result=1
    for case in text-driver raw-driver; do
        unpack "$case" || continue
        same "$case-records" "$dir/kernel.txt" "$dir/log.txt"
        check_counts "$case"
        grep -q '^MARK [1-9][0-9.]* Lost 5 events\.$' "$dir/log.txt" || not_ok "$case-mark" "it is not there"
    done
    # The drain slept, and then took everything: the gap is at the beginning, or at the end.
    if unpack text-newest; then
        sed '1{/^CPU:0 \[LOST /d}' "$dir/log.txt" >"$dir/records.txt"
        same text-newest-records "$dir/kernel.txt" "$dir/records.txt"
        check_counts text-newest
    fi
    if unpack text-oldest; then
        echo "CPU:0 [LOST $(stat_of 'dropped events') EVENTS]" >>"$dir/kernel.txt"
        same text-oldest-records "$dir/kernel.txt" "$dir/log.txt"
        check_counts text-oldest
    fi
    # The drain ran, and was too slow.
    for case in text-newest-live text-oldest-live; do
        unpack "$case" || continue
        check_counts "$case"
        [ "$(member .loss.gaps)" -gt 0 ] || not_ok "$case-gaps" "there is none, so this shows nothing"
    done
    # Whatever the killed drain had in its hands.
    if unpack text-kill; then
        is text-kill-complete $(($(stat_of entries) + $(stat_of 'read events') + $(stat_of overrun))) \
            $(($(member .events.total) + $(member .loss.events)))
        member '.session.warnings[]' | grep -q 'started again' || not_ok text-kill-warning "there is none"
    fi
done
exit "$result"
