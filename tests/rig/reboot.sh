#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Is a session ended as it should be when the machine is rebooted in its middle, and does nothing of it last? Two boots
# with one disk.

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=reboot
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
PATH=$PATH:/sbin:/usr/sbin
command -v jq >/dev/null || die "jq is missing" 77
command -v mkfs.ext4 >/dev/null || die "mkfs.ext4 is missing, install e2fsprogs" 77
failed=0

[ $# -gt 0 ] || set -- 6.1
for kernel; do
    rm -f "$work"/{disk,events,before,going}
    truncate -s 256M "$work/disk"
    mkfs.ext4 -q "$work/disk"
    echo first >"$work/phase"
    # That machine does not come to report a status.
    run_inside "$kernel" --disk "$work/disk" >"$work/first.out" 2>&1 || true
    [ -e "$work/going" ] || { cat "$work/first.out"; die "the first machine did not come to its reboot"; }
    echo second >"$work/phase"
    run_inside "$kernel" --disk "$work/disk" || { cat "$work/first.out"; failed=1; }
done
exit "$failed"
