#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Whatever is done to sessions, daemon and driver, in whatever order: is the machine as before in the end, and every
# session sealed, or failed with a reason? SEED repeats a run, SEQUENCES is how many are tried (200).
#
# By name only: 200 sequences take some twenty minutes.

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=random
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
command -v jq >/dev/null || die "jq is missing" 77
failed=0

seed=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
echo "# seed $seed"
echo "$seed ${SEQUENCES:-200}" >"$work/seed"
[ $# -gt 0 ] || set -- 6.1
for kernel; do
    run_inside "$kernel" --cpus 2 --memory 1536 --timeout 10000 || failed=1
done
exit "$failed"
