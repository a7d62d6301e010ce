#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A machine that a script has left in mmiotrace: is what the ring still holds saved, to the last event, and does
# everything come back?

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=recover
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
command -v jq >/dev/null || die "jq is missing" 77
failed=0

[ $# -gt 0 ] || set -- 6.12
for kernel; do
    # Otherwise the rig keeps the kernel's own limit at 1, and has only its CPUs come up later.
    run_inside "$kernel" --cpus 3 --append maxcpus=3 || failed=1
done
exit "$failed"
