#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Does the machine come back when the daemon does not: given up by systemd, stopped while it hangs or between a crash and
# the restart, with its files gone, with somebody holding a pipe, with CPUs that stay offline?
#
# By name only: it takes four minutes.

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
    run_inside "$kernel" --cpus 3 || failed=1
done
exit "$failed"
