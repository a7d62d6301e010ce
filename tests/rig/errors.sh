#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Is everything that cannot be done refused by name, with a sentence, and with nothing changed?

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=errors
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
command -v jq >/dev/null || die "jq is missing" 77
failed=0

[ $# -gt 0 ] || set -- 6.1
for kernel; do
    run_inside "$kernel" || failed=1
done
exit "$failed"
