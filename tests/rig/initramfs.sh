#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A session at the next boot on a Debian as its installer leaves it, whose initramfs loads e1000e before there is a root
# file system. Four boots of one disk: the first one arms, and says what to add to the kernel's command line; the second
# one goes without that, captures nothing, says why, and arms once more; the third one captures the load from its first
# mapping on; the fourth one captures nothing.
#
# By name only: it takes some minutes, and installs a Debian, of which it downloads 200 MB, the first time.

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=initramfs
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"

# boot KERNEL CASE OPTION…
boot() {
    local kernel=$1 name=$2 status=0 start=$SECONDS
    shift 2
    echo "# $name on $kernel"
    "$tools/rig-debian" --kernel "$kernel" --disk "$work/disk" --overlay "$stage" --file "$here/inside" \
        --qemu '-netdev user,id=n0,restrict=on -device e1000e,netdev=n0' --timeout 600 "$@" \
        "$here/inside/initramfs.sh" "$name" || status=$?
    [ "$status" != 77 ] || exit 77
    echo "# $name on $kernel: status $status after $((SECONDS - start)) s"
    [ "$status" = 0 ] || die "$name fails"
}

[ $# -gt 0 ] || set -- 6.1
for kernel; do
    rm -f "$work/disk"
    boot "$kernel" arm
    boot "$kernel" missed
    boot "$kernel" capture --append modprobe.blacklist=e1000e
    boot "$kernel" after
done
