#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# With the real polkit: who may do what, with and without a password on a terminal.
#
# By name only: the time for all of tools/check is short.

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=access
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
command -v python3 >/dev/null || die "python3 is missing" 77
failed=0

[ $# -gt 0 ] || set -- 6.1
for kernel; do
    run_inside "$kernel" || failed=1
done
exit "$failed"
