#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Does an archive get to a server through the units as they are shipped, once and whole, whatever dies meanwhile, and does
# no secret come to light?

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=submit
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
PATH=$PATH:/sbin:/usr/sbin
for program in nginx openssl jq; do
    command -v $program >/dev/null || die "$program is missing" 77
done
failed=0

[ $# -gt 0 ] || set -- 6.1
for kernel; do
    run_inside "$kernel" || failed=1
done
exit "$failed"
