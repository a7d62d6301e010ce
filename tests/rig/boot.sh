#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A session at the next boot, over three boots of a machine that keeps /etc/mmiotraced and /var/lib/mmiotraced: the first
# one arms; the second one captures the driver's load from its first mapping on, with udev there to load it, too; and the
# third one captures nothing.

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=boot
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
command -v jq >/dev/null || die "jq is missing" 77

# boot KERNEL CASE OPTION…: both CPUs are there from the beginning, as on a real machine.
boot() {
    local kernel=$1 name=$2 status=0 start=$SECONDS
    shift 2
    echo "# $name on $kernel"
    "$tools/rig-full" --kernel "$kernel" --overlay "$stage" --overlay "$work/kept" --file "$here/inside" --out "$work" \
        --append maxcpus=2 --qemu '-netdev user,id=n0,restrict=on -device e1000e,netdev=n0' --timeout 300 "$@" \
        "$here/inside/boot.sh" "$name" || status=$?
    [ "$status" != 77 ] || exit 77
    echo "# $name on $kernel: status $status after $((SECONDS - start)) s"
    [ "$status" = 0 ] || die "$name fails"
    # What the disk of a machine would have kept.
    rm -rf "$work/kept"
    mkdir "$work/kept"
    tar -C "$work/kept" -xf "$work/kept.tar"
}

[ $# -gt 0 ] || set -- 6.1
for kernel; do
    rm -rf "$work/kept"
    mkdir "$work/kept"
    boot "$kernel" arm --blacklist e1000e
    boot "$kernel" capture
    boot "$kernel" after --blacklist e1000e
done
