#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Is every way in which a capture can go wrong, as far as a virtual machine can go wrong in it, found beforehand by
# "mmiotracectl check", or told by the session, and is nothing changed by looking? Two boots: one for what can be brought
# about in a running system, one for what only the kernel's command line brings about.
#
# By name only: it takes five minutes.

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=preflight
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
command -v jq >/dev/null || die "jq is missing" 77
result=0

[ $# -gt 0 ] || set -- 6.1
for kernel; do
    module=$("$tools/rig-kmod" "$kernel") || exit $?
    # A BAR of 1G, so that a mapping can have pages of each size, which takes a processor that knows the largest; a device
    # with I/O ports only. As memory it is there only where it is touched.
    run_inside "$kernel" --file "$module:/opt/kmod/mmiotrace-test.ko" --qemu "-cpu qemu64,-svm,+rdrand,+pdpe1gb \
-object memory-backend-ram,id=shm,size=1G -device ivshmem-plain,memdev=shm -device pci-serial" || result=1
    # A BAR of 512M. The kernel keeps the lowest CPU, 0, and 1 is the last one that is not isolated.
    test=preflight-boot
    # CPU 3 is one that the command line keeps off.
    run_inside "$kernel" --cpus 4 --qemu '-device nvme,serial=1,cmb_size_mb=512' --append "maxcpus=3 isolcpus=0,2 nohugeiomap \
lockdown=confidentiality preempt=full module_blacklist=e1000e \
mmiotrace.nommiotrace=1 mmiotrace.filter_offset=0xfeb80000 mmiotrace.trace_pc=1" || result=1
    # shellcheck disable=SC2034
    test=preflight
done
exit "$result"
