#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Is every CPU that records drained? CPU 1 is the last one that is not isolated, so the tracer cannot take it down
# beside CPU 0, which it keeps; CPU 2 goes.

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=isolcpus
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
# shellcheck source=SCRIPTDIR/counter.sh
. "$here/counter.sh"
command -v jq >/dev/null || die "jq is missing" 77

# Each of both counters once and in order, and all records in the order of time.
check_merge() {
    awk '
        $1 == "W" {
            cpu = length($6) == 10 && substr($6, 3, 1) == "1" ? 1 : 0
            if ($6 != sprintf("0x%x", cpu * 268435456 + n[cpu]))
                { print "record " NR " of CPU " cpu ": " $6 " where number " n[cpu] + 0 " is due"; exit }
            n[cpu]++
            # One after the other would need no merge.
            if (cpu != last) { turns++; last = cpu }
        }
        $1 == "W" || $1 == "R" || $1 == "UNKNOWN" {
            now = $1 == "UNKNOWN" ? $2 : $3
            if (now < time)
                { print "record " NR " is older than the one before it: " $0; exit }
            time = now
        }
        END {
            if (n[0] != 60000 || n[1] != 60000)
                print n[0] + 0 " and " n[1] + 0 " values, not 60000 of each"
            if (turns < 10)
                print "the CPUs took only " turns + 0 " turns"
        }' "$work/isolcpus.log"
}

[ $# -gt 0 ] || set -- 6.1
for kernel; do
    rm -f "$work"/*.{next,tar.xz}
    run_kmod "$kernel" --cpus 3 --timeout 600 --append 'maxcpus=3 isolcpus=0,2' || result=1
    unpack isolcpus || continue
    complaint=$(check_merge)
    if [ -n "$complaint" ]; then not_ok isolcpus-values "$complaint"; else ok isolcpus-values; fi
    jq -e '.session.warnings | any(test("CPU"))' "$work/isolcpus.json" >/dev/null || not_ok isolcpus-warning "none in the metadata"
done
exit "$result"
