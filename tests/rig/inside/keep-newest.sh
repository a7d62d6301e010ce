#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Captures more than a session may take. /out/newest.marks gets the marks that were taken.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/kmod.sh
. "$(dirname "$0")/kmod.sh"

batches=8 batch=60000 limit_kib=$((16 * 1024))

mark() {
    mmiotracectl -q mark "$1" >/tmp/mark 2>&1 || not_ok newest-mark "$(cat /tmp/mark)"
    echo "$1" >>/out/newest.marks
}

# Called by wait_for.
# shellcheck disable=SC2317
all_is_written() {
    cat "$tracing"/per_cpu/cpu*/stats | awk '/^entries:/ { n += $2 } END { exit n > 0 }'
}

# shellcheck disable=SC2317
is_within_limit() {
    [ $(($(session_property "$path" BytesRaw) - $(session_property "$path" BytesGivenUp))) -lt $((limit_kib * 768)) ]
}

# shellcheck disable=SC2317
captures_again() {
    mmiotracectl -q mark "$1" >/tmp/mark 2>&1
}

printf '[Storage]\nMaxSessionSize=%sK\nWhenFull=keep-newest\n[Seal]\nLevel=0\n' "$limit_kib" >/etc/mmiotraced/mmiotraced.conf
systemctl start mmiotraced || give_up "the daemon does not start"
note_machine
mmiotracectl -q start --keep-raw || give_up "cannot start"
path=$(active_session)
kmod_load
for ((n = 0; n < batches; n++)); do
    mark "batch $n"
    kmod_write newest "first=$((n * batch)) count=$batch"
    wait_for 120 all_is_written || not_ok newest-drain "the ring is not emptied"
    wait_for 60 is_within_limit || give_up "newest-limit: $(du -sk "$sessions/$(last_session)/raw")"
    [ "$n" != 5 ] || {
        kill -9 "$(main_pid)"
        wait_for 120 captures_again 'after the kill' || give_up "after the kill, no mark is taken: $(cat /tmp/mark)"
        echo 'after the kill' >>/out/newest.marks
    }
done
[ "$(session_property "$path" State)" = capturing ] || not_ok newest-state "$(session_property "$path" State): $(session_property "$path" ResultText)"
echo "# $(session_property "$path" BytesRaw) bytes captured, $(session_property "$path" BytesGivenUp) given up with $(session_property "$path" GivenUpEvents) accesses"
[ "$(session_property "$path" GivenUpEvents)" -gt 0 ] || not_ok newest-given-up "nothing"
mmiotracectl status >/tmp/status
grep -q '^ *Given up: [0-9]* of the oldest accesses' /tmp/status || not_ok newest-status "$(cat /tmp/status)"
status=0
mmiotracectl stop --wait >/tmp/stop 2>&1 || status=$?
[ "$status" = 5 ] || not_ok newest-stop "status $status: $(cat /tmp/stop)"
grep -q 'GIVEN UP: [0-9]* of the oldest accesses' /tmp/stop || not_ok newest-stop-text "$(cat /tmp/stop)"
[ "$(session_property "$path" State) $(session_property "$path" Result)" = 'sealed success' ] ||
    not_ok newest-end "$(session_property "$path" State) $(session_property "$path" Result): $(session_property "$path" ResultText)"
[ "$(session_property "$path" LostEvents)" = 0 ] || not_ok newest-lost "$(session_property "$path" LostEvents)"
find "$sessions/$(last_session)/raw" -type f -name 'cpu*' | grep . && not_ok newest-left "segments are left"
echo "# warnings: $(session_property "$path" Warnings)"
check_restored newest
save newest
rmmod mmiotrace-test
finish
