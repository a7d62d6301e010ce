#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# With the real polkit: each method of the daemon called by root, the owner of a session, another user, an administrator
# with a password and without, somebody who leaves before polkit has answered, and without polkit.
#
# By name only: some 130 calls, each with a look at what it has changed, take minutes.

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=access-matrix
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
command -v python3 >/dev/null || die "python3 is missing" 77
failed=0

call=${BUILD:-$work/build}/tests/access-call
[ -x "$call" ] || die "there is no $call; set BUILD to where the tests are built"
[ $# -gt 0 ] || set -- 6.1
for kernel; do
    run_inside "$kernel" --timeout 1800 --file "$call:/opt/access-call" \
        --file "$here/../bus/test-access.c:/opt/table" || failed=1
done
exit "$failed"
