#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Each setting of the tracer that a start changes cannot be changed, in turn: the start fails and says which, and all the
# others are as they were when it has said so.

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test='failed-start'
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
failed=0

[ $# -gt 0 ] || set -- 6.1
for kernel; do
    run_inside "$kernel" || failed=1
done
exit "$failed"
