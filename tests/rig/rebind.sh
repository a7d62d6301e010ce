#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Are devices taken off their drivers, traced from the first access of the probe on and given back, and those that
# something hangs on left alone?

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=rebind
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
PATH=$PATH:/sbin:/usr/sbin
command -v jq >/dev/null || die "jq is missing" 77
command -v mkfs.ext4 >/dev/null || die "mkfs.ext4 is missing, install e2fsprogs" 77
failed=0

[ $# -gt 0 ] || set -- 6.1
for kernel; do
    rm -f "$work/disk"
    truncate -s 16M "$work/disk"
    mkfs.ext4 -q "$work/disk"
    run_inside "$kernel" --disk "$work/disk" --qemu '-device qemu-xhci' || failed=1
done
exit "$failed"
