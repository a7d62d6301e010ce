#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Does the archive of a graphics driver's session hold all that maintainers ask for, and nothing of whose machine it is?

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=archive
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
PATH=$PATH:/sbin:/usr/sbin
for program in jq lspci xz; do
    command -v $program >/dev/null || die "$program is missing" 77
done
/usr/bin/python3 -c 'import jsonschema' 2>/dev/null || die "python3-jsonschema is missing" 77
failed=0

[ $# -gt 0 ] || set -- 6.1
for kernel; do
    # The console of a framebuffer would draw through a mapping that is traced: each word is a fault.
    run_inside "$kernel" --file "$(dirname "$here")/validate-metadata" --blacklist bochs --append fbcon=map:1 \
        --qemu '-device bochs-display' || failed=1
done
exit "$failed"
