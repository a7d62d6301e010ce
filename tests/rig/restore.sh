#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Is the machine after a session what it was before: after a stop, a stop of the service, a crash of the daemon or of
# its drain, with settings as the boot left them and with others?

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=restore
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
command -v jq >/dev/null || die "jq is missing" 77
failed=0

[ $# -gt 0 ] || set -- 6.12
for kernel; do
    run_inside "$kernel" --cpus 3 || failed=1
done
exit "$failed"
