#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A session from a shell script: captures while a command runs, and writes the archive into the current folder.
# usage: capture.sh COMMAND… (DRIVER in the environment names a driver that is to be loaded for it)

set -eu
[ $# -gt 0 ] || { echo "usage: capture.sh COMMAND…" >&2; exit 2; }
# "start" answers when the capture runs.
started=$(mmiotracectl --json=short start --description "capture.sh $1" ${DRIVER:+--driver "$DRIVER" --load})
trap 'mmiotracectl --quiet stop' EXIT
mmiotracectl --quiet mark "before $1"
"$@"
mmiotracectl --quiet mark "after $1"
trap - EXIT
# Until there is an archive, not only until the machine is restored.
mmiotracectl --quiet stop --wait
mmiotracectl --quiet export "$(echo "$started" | sed 's/.*"id":\([0-9]*\).*/\1/')"
