#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Does the machine come back when the daemon does not: given up by systemd, or hanging and crashing so slowly that this
# never gives it up, stopped while it hangs or between a crash and the restart, with its files gone, with somebody holding
# a pipe, with CPUs that stay offline, with a kernel that is locked down meanwhile?
#
# By name only: it takes ten minutes.

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=undo
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
command -v jq >/dev/null || die "jq is missing" 77
failed=0

[ $# -gt 0 ] || set -- 6.1
for kernel; do
    run_inside "$kernel" --cpus 3 --timeout 1200 || failed=1
done
exit "$failed"
