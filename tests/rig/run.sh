#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Does "mmiotracectl run" trace what a command does on the real kernel, and nothing else, and does the machine come back
# however command and mmiotracectl end?

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=run
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
command -v script >/dev/null || die "script is missing" 77
failed=0

[ $# -gt 0 ] || set -- 6.1
for kernel; do
    run_inside "$kernel" || failed=1
done
exit "$failed"
