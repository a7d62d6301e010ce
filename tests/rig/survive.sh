#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Does a session outlive its daemon? While the test module writes its counter as fast as it can, the daemon is killed
# 20 times and restarted 5 times, at random moments; the log must have each value once, in order. Then the service is
# stopped in the middle of a session, which must end it as if it had been asked to. SEED repeats a run.

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=survive
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
# shellcheck source=SCRIPTDIR/counter.sh
. "$here/counter.sh"
command -v jq >/dev/null || die "jq is missing" 77

# check_values NAME NEXT: each value from 0 to NEXT - 1 once and in order; without NEXT, up to any.
check_values() {
    local complaint
    complaint=$(awk -v next_value="${2-}" '
        $1 == "W" && $2 == 4 {
            if ($6 != sprintf("0x%x", n)) {
                print "record " NR ": value " $6 " where " sprintf("0x%x", n) " is due"
                exit
            }
            n++
        }
        $1 == "R" || $1 == "UNKNOWN" || /LOST/ { print "record " NR ": " $0; exit }
        END {
            if (next_value != "" && n != next_value)
                print n " values, but " next_value " were written"
            if (n < 10000)
                print "only " n " values"
        }' "$work/$1.log")
    [ -z "$complaint" ] || { not_ok "$1-values" "$complaint"; return; }
    ok "$1-values ($(grep -c '^W 4 ' "$work/$1.log"))"
}

seed=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
[ $# -gt 0 ] || set -- 6.1
for kernel; do
    echo "# seed $seed"
    rm -f "$work"/*.{marks,next,tar.xz}
    echo "$seed" >"$work/seed"
    run_kmod "$kernel" --memory 1536 --timeout 900 || result=1
    if unpack kill; then
        check_values kill "$(cat "$work/kill.next")"
        [ "$(loss kill events)" = 0 ] || not_ok kill-loss "the metadata tells of $(loss kill events) lost events"
        sed -n 's/^MARK [0-9.]* //p' "$work/kill.log" | cmp - "$work/kill.marks" || not_ok kill-marks "they differ"
    fi
    if unpack stop; then
        check_values stop
        [ "$(loss stop events)" = 0 ] || not_ok stop-loss "the metadata tells of $(loss stop events) lost events"
    fi
done
exit "$result"
