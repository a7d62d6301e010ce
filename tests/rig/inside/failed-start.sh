#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The daemon gets to see one of its files read-only, by a drop-in of its unit, and is asked for a session.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

drop_in=/run/systemd/system/mmiotraced.service.d/read-only.conf
mkdir -p "${drop_in%/*}"
printf '[Capture]\nDumpOnOops=yes\n' >/etc/mmiotraced/mmiotraced.conf

read_only() {
    systemctl stop mmiotraced
    printf '[Service]\nBindReadOnlyPaths=%s\n' "$1" >"$drop_in"
    systemctl daemon-reload
    systemctl start mmiotraced || give_up "the daemon does not start without $1"
}

# fails NAME PATH [WORDS]: the message has its name, or these words.
fails() {
    local name=$1 words=${3-$1} begin status=0
    read_only "$2"
    begin=${EPOCHREALTIME/./}
    mmiotracectl start --stacks --keep=oldest >/tmp/start 2>&1 || status=$?
    machine_state >/tmp/after
    if [ "$status" != 1 ] || ! tr -s ' \n' ' ' </tmp/start | grep -qF "$words"; then
        not_ok "$name" "status $status: $(cat /tmp/start)"
        [ "$status" != 0 ] || mmiotracectl -q stop
    elif ! cmp -s /tmp/before /tmp/after; then
        not_ok "$name" "it left $(diff /tmp/before /tmp/after | tr '\n' '|')"
    elif ! daemon_is_idle || [ -e /run/mmiotraced/undo ] || [ -n "$(mmiotracectl list --no-legend)" ]; then
        not_ok "$name" "$(daemon_state) $(ls /run/mmiotraced) $(mmiotracectl list)"
    else
        ok "$name ($(((${EPOCHREALTIME/./} - begin) / 1000)) ms: $(head -n 1 /tmp/start))"
    fi
}

echo 1408 >"$tracing/buffer_size_kb"
machine_state >/tmp/before
fails ftrace_dump_on_oops /proc/sys/kernel/ftrace_dump_on_oops
for file in trace_clock options/overwrite buffer_percent options/stacktrace; do
    fails "$file" "$tracing/$file:/run/mmiotraced-tracing/$file"
done
fails buffer_size_kb "$tracing/per_cpu/cpu0/buffer_size_kb:/run/mmiotraced-tracing/per_cpu/cpu0/buffer_size_kb" \
    'Cannot size the ring buffer'
fails tracing_on "$tracing/tracing_on:/run/mmiotraced-tracing/tracing_on" 'refused to switch the recording on'
fails current_tracer "$tracing/current_tracer:/run/mmiotraced-tracing/current_tracer" 'refused to switch mmiotrace on'
# And with all of them there is a session.
rm "$drop_in"
systemctl daemon-reload
systemctl restart mmiotraced
mmiotracectl -q start --stacks || not_ok start "it does not begin"
mmiotracectl -q stop || not_ok stop "status $?"
machine_state >/tmp/after
cmp /tmp/before /tmp/after || not_ok stop "$(diff /tmp/before /tmp/after)"
finish
