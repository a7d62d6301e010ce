#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A session with call stacks: its archive names the function behind each access of the driver.
#
#     stacks.sh [KERNEL…]

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=stacks
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"

for kernel in "${@:-6.12}"; do
    run_inside "$kernel" --memory 1536
done
