#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What dpkg makes of the packages in /var/tmp/debs: a machine that never had them, and in the end has nothing of them.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

debs=/var/tmp/debs
config=/etc/mmiotraced/mmiotraced.conf
# Where something of ours may be; each name below them is compared.
places=(/etc /lib/systemd/system /run /usr/bin /usr/lib/systemd /usr/libexec /usr/share/{bash-completion,dbus-1,doc,man,polkit-1,zsh}
    /var/cache /var/lib /var/log)

# passed NAME: as far as here.
passed() {
    [ "$failed" != 0 ] || ok "$1"
}

# install old|new [OPTION…]: both packages.
install() {
    local version=$1
    shift
    dpkg --force-unsafe-io "$@" -i "$debs/$version"/mmiotraced_*.deb "$debs/$version"/mmiotrace-analyze_*.deb \
        >/tmp/dpkg 2>&1 || give_up "dpkg -i fails: $(cat /tmp/dpkg)"
    complete
}

# What is installed is what the package says it is, but for the settings once they were changed.
complete() {
    local wrong
    wrong=$(dpkg -V mmiotraced mmiotrace-analyze | grep -v " c $config\$"; dpkg --audit)
    [ -z "$wrong" ] || not_ok complete "$wrong"
}

# take_away -r|-P: the settings have to be the administrator's, or there is nothing to ask dpkg about.
take_away() {
    dpkg --force-unsafe-io "$1" mmiotraced >/tmp/dpkg 2>&1 || give_up "dpkg $1 fails: $(cat /tmp/dpkg)"
}

our_names() {
    find "${places[@]}" -xdev -iname '*mmiotrace*' | sort
}

our_processes() {
    local link program
    for link in /proc/[0-9]*/exe; do
        program=$(readlink "$link") || continue
        case $program in
            */libexec/mmiotraced/*) echo "$link is $program" ;;
        esac
    done
}

our_units() {
    # The link that "systemctl enable" makes stays until a purge, and PID 1 knows the name by that.
    systemctl list-units --all --plain --no-legend 'mmiotraced*' | grep -v '^mmiotraced.service *not-found'
    systemctl list-unit-files --no-legend 'mmiotraced*'
}

# no_trace NAME: neither of the daemon nor of what it changed; files that are to stay are looked at elsewhere.
no_trace() {
    local name=$1 left
    machine_state | diff /tmp/before - >/tmp/diff || not_ok "$name-machine" "$(tr '\n' '|' </tmp/diff)"
    left=$(our_processes)
    [ -z "$left" ] || not_ok "$name-processes" "$left"
    left=$(our_units)
    [ -z "$left" ] || not_ok "$name-units" "$left"
    left=$(ls -d /run/*mmiotrace* 2>/dev/null)
    [ -z "$left" ] || not_ok "$name-run" "$left: $(ls -A /run/mmiotraced 2>/dev/null)"
    # What PID 1 keeps for a service are the pipes of the pages that are on their way.
    left=$(find /proc/1/fd -lname 'pipe:*' | wc -l)
    [ "$left" -le "$pipes_before" ] || not_ok "$name-fd-store" "PID 1 holds $left pipes instead of $pipes_before"
    ! busctl list --no-legend --acquired --activatable | grep org.freedesktop.MmioTrace ||
        not_ok "$name-bus" "the bus still knows the name"
    [ ! -e /usr/bin/mmiotracectl ] || not_ok "$name-program" "/usr/bin/mmiotracectl is there"
}

active_session() {
    busctl get-property org.freedesktop.MmioTrace /org/freedesktop/MmioTrace org.freedesktop.MmioTrace1.Manager ActiveSession |
        sed -n 's,^o ".*/_*\([0-9]*\)"$,\1,p'
}

# Called by wait_for.
# shellcheck disable=SC2317
session_is_sealed() {
    jq -e '.state == "sealed"' "$sessions/$1/session.json" >/dev/null
}

# begin NAME: a session in which the device works, and goes on to work.
begin() {
    mmiotracectl -q start --driver e1000e --load >/tmp/answer 2>&1 || give_up "$1: cannot start: $(cat /tmp/answer)"
    id=$(active_session)
    network_up || not_ok "$1-network" "no answer over the traced device"
    [ "$(cat /sys/devices/system/cpu/online)" = 0 ] || not_ok "$1-one-cpu" "$(cat /sys/devices/system/cpu/online)"
    mmiotracectl -q mark "$1" >/tmp/answer 2>&1 || not_ok "$1-mark" "$(cat /tmp/answer)"
}

# count: in $n_events, what the kernel has recorded, of a device that is quiet.
count() {
    ip link set "$(e1000e_interface)" down
    n_events=$(awk '$1 == "entries:" { n += $2 } $1 $2 == "readevents:" { n += $3 } END { print n }' \
        "$tracing/per_cpu/cpu0/stats")
}

# good_archive NAME RESULT: of session $id, with each of the $n_events events.
good_archive() {
    local folder=$sessions/$id n
    [ "$(jq -r '.state + " " + .result' "$folder/session.json")" = "sealed $2" ] ||
        not_ok "$1-result" "$(jq -c '[.state, .result, .result_text, .warnings]' "$folder/session.json")"
    tar -xJf "$folder/archive.tar.xz" -O mmiotrace.log >/tmp/log || { not_ok "$1-archive" "it cannot be read"; return; }
    [ "$(jq .lost_events "$folder/session.json")" = 0 ] || not_ok "$1-lost" "$(jq .lost_events "$folder/session.json")"
    n=$(grep -cE '^(R|W|UNKNOWN|MAP|UNMAP|MARK) ' /tmp/log)
    grep -q "^MARK .* $1\$" /tmp/log || not_ok "$1-log-mark" "it is not in the log"
    if [ "$n" = "$n_events" ]; then
        ok "$1-archive ($n events)"
    else
        not_ok "$1-archive" "$n events instead of $n_events; $(jq -c .warnings "$folder/session.json")"
    fi
}

# Seconds since the boot.
uptime_sec() {
    cut -d ' ' -f 1 /proc/uptime
}

# Called by wait_for.
# shellcheck disable=SC2317
has_crashed() {
    [ "$(systemctl show -P SubState mmiotraced)" = auto-restart ]
}

# Called by wait_for.
# shellcheck disable=SC2317
unit_has_ended() {
    case $(systemctl show -P ActiveState mmiotraced.service) in
        inactive | failed) true ;;
        *)                 false ;;
    esac
}

# Called by wait_for.
# shellcheck disable=SC2317
is_restored() {
    [ ! -e /run/mmiotraced/undo ] && machine_state >/tmp/now && cmp -s /tmp/before /tmp/now
}

# In the background: how long after the end of the unit the machine was seen restored, in seconds.
watch_end() {
    local ended
    rm -f /tmp/took
    {
        wait_for 120 unit_has_ended && ended=$(uptime_sec) && wait_for 60 is_restored &&
            echo "$(uptime_sec) $ended" | awk '{ printf "%.1f\n", $1 - $2 }' >/tmp/took
    } &
    watcher=$!
}

# restored_in_time NAME
restored_in_time() {
    wait "$watcher"
    if [ ! -s /tmp/took ]; then
        not_ok "$1-restored" "never"
    elif awk '{ exit !($1 <= 5) }' /tmp/took; then
        ok "$1-restored ($(cat /tmp/took) s after the end of the unit was seen)"
    else
        not_ok "$1-restored" "$(cat /tmp/took) s after the end of the unit"
    fi
}

case_install() {
    local unit listed
    install old
    for unit in mmiotraced{,-boot,-boot-recover,-recover}.service mmiotraced-boot-recover.timer \
        mmiotraced-{inspect,upload}.socket mmiotraced-{inspect,load,upload}@x.service; do
        [ "$(systemctl show -P LoadState "$unit")" = loaded ] || not_ok install-units "$unit is not loaded"
    done
    # As README.Debian says.
    [ "$(systemctl is-enabled mmiotraced)" = disabled ] || not_ok install-enabled "$(systemctl is-enabled mmiotraced)"
    [ "$(systemctl is-active mmiotraced)" = inactive ] || not_ok install-active "$(systemctl is-active mmiotraced)"
    pkaction --action-id org.freedesktop.MmioTrace.capture >/tmp/answer 2>&1 || not_ok install-polkit "$(cat /tmp/answer)"
    listed=$(journalctl --no-pager --list-catalog | grep -cFf <(sed -n 's/^-- //p' /usr/lib/systemd/catalog/mmiotraced.catalog))
    [ "$listed" = "$(grep -c '^-- ' /usr/lib/systemd/catalog/mmiotraced.catalog)" ] ||
        not_ok install-catalog "journalctl knows $listed entries"
    # The policy and the activation file have arrived at the bus: for anybody.
    setpriv --reuid=nobody --regid=nogroup --clear-groups mmiotracectl list >/tmp/answer 2>&1 ||
        not_ok install-bus "$(cat /tmp/answer)"
    [ "$(systemctl is-active mmiotraced)" = active ] || not_ok install-started "$(systemctl is-active mmiotraced)"
    systemctl stop mmiotraced
    daemon_is_idle || not_ok install-again "after a stop the bus does not start it: $(daemon_state)"
    [ "$(systemctl is-active mmiotraced)" = active ] || not_ok install-again "$(systemctl is-active mmiotraced)"
    systemctl stop mmiotraced
    passed install
}

case_stopped() {
    install old
    [ "$(systemctl is-active mmiotraced)" = inactive ] || not_ok stopped-active "$(systemctl is-active mmiotraced)"
    [ "$(systemctl is-enabled mmiotraced)" = disabled ] || not_ok stopped-enabled "$(systemctl is-enabled mmiotraced)"
    systemctl enable --now mmiotraced 2>/tmp/answer || not_ok enable "$(cat /tmp/answer)"
    [ "$(systemctl is-enabled mmiotraced)" = enabled ] || not_ok enable-enabled "$(systemctl is-enabled mmiotraced)"
    [ "$(systemctl is-active mmiotraced)" = active ] || not_ok enable-active "$(systemctl is-active mmiotraced)"
    passed stopped
}

# is_replaced NAME OLD-PID
is_replaced() {
    local pid
    pid=$(main_pid)
    [ "$(systemctl is-active mmiotraced)" = active ] || { not_ok "$1-active" "$(systemctl is-active mmiotraced)"; return; }
    [ "$pid" != "$2" ] || not_ok "$1-pid" "it is the old one"
    [ "$(readlink "/proc/$pid/exe")" = /usr/libexec/mmiotraced/mmiotraced ] ||
        not_ok "$1-program" "$(readlink "/proc/$pid/exe")"
    [ "$(systemctl is-enabled mmiotraced)" = enabled ] || not_ok "$1-enabled" "$(systemctl is-enabled mmiotraced)"
}

# The settings are as they came: the next version brings its own.
case_upgrade() {
    local pid
    pid=$(main_pid)
    install new
    is_replaced upgrade "$pid"
    daemon_is_idle || not_ok upgrade-state "$(daemon_state)"
    grep -q '^# The next version' "$config" || not_ok upgrade-settings "the new default did not come"
    passed upgrade
    # Back, by the way; the next case has to have something to upgrade. Level 0 is for the emulated processor's sake.
    install old --force-downgrade
    printf '[Seal]\nLevel=0\n' >"$config"
    systemctl reload mmiotraced || not_ok reload "it fails"
}

case_capturing() {
    local pid pinger status=0
    begin capturing
    # The device has something to do all the time.
    ping -q -i 0.2 10.0.2.2 >/tmp/ping &
    pinger=$!
    pid=$(main_pid)
    install new --force-confold
    is_replaced capturing "$pid"
    daemon_captures || not_ok capturing-state "$(daemon_state)"
    [ "$(active_session)" = "$id" ] || not_ok capturing-id "$(active_session) instead of $id"
    [ "$(cat /sys/devices/system/cpu/online)" = 0 ] || not_ok capturing-cpus "$(cat /sys/devices/system/cpu/online)"
    mmiotracectl -q mark 'after the upgrade' >/tmp/answer 2>&1 || not_ok capturing-mark "$(cat /tmp/answer)"
    kill -INT "$pinger"
    wait "$pinger"
    count
    mmiotracectl -q stop --wait >/tmp/answer 2>&1 || status=$?
    [ "$status" = 0 ] || not_ok capturing-stop "status $status: $(cat /tmp/answer)"
    good_archive capturing success
    grep -q '^MARK .* after the upgrade$' /tmp/log || not_ok capturing-log "the second mark is missing"
    [ "$(mmiotracectl list --json=short | jq length)" = 1 ] || not_ok capturing-list "$(mmiotracectl list)"
    machine_state | diff /tmp/before - >/tmp/diff || not_ok capturing-machine "$(tr '\n' '|' </tmp/diff)"
    [ "$(cat "$config")" = $'[Seal]\nLevel=0' ] || not_ok capturing-settings "they are $(cat "$config")"
    # From within the session, of no daemon that ended.
    awk '/transmitted/ { exit !($1 > 5 && $4 >= $1 - 1) }' /tmp/ping || not_ok capturing-ping "$(grep transmitted /tmp/ping)"
    modprobe -r e1000e
}

# Everything goes but what is the administrator's and the user's.
case_remove() {
    local first=$id
    begin removed
    count
    watch_end
    take_away -r
    restored_in_time removed
    no_trace removed
    [ "$(cat "$config")" = $'[Seal]\nLevel=0' ] || not_ok removed-settings "they are $(cat "$config" 2>&1)"
    [ -f "$sessions/$first/archive.tar.xz" ] || not_ok removed-archive "it is gone"
    [ -f "$sessions/$id/session.json" ] || not_ok removed-session "it is gone"
    # It works on, and nobody looks.
    network_up || not_ok removed-network "no answer over the device"
    modprobe -r e1000e

    # It was enabled, so it is there again.
    install new
    [ "$(systemctl is-active mmiotraced)" = active ] || not_ok again-active "$(systemctl is-active mmiotraced)"
    wait_for 60 session_is_sealed "$id" || not_ok again-sealed "$(jq -c '[.state, .result]' "$sessions/$id/session.json")"
    good_archive removed success
    [ "$(mmiotracectl list --json=short | jq -c 'map(.id) | sort')" = "[$first,$id]" ] || not_ok again-list "$(mmiotracectl list)"
    [ "$(cat "$config")" = $'[Seal]\nLevel=0' ] || not_ok again-settings "they are $(cat "$config")"
}

# With a client that goes on asking, and each time has the bus start the daemon.
case_armed() {
    local client
    mmiotracectl -q start --driver e1000e --at-next-boot >/tmp/answer 2>&1 || not_ok armed-start "$(cat /tmp/answer)"
    [ -e /etc/mmiotraced/next-boot.json ] || not_ok armed-file "there is none"
    while daemon_state >/dev/null 2>&1 || [ -e /usr/libexec/mmiotraced/mmiotraced ]; do :; done &
    client=$!
    take_away -r
    kill "$client" 2>/dev/null
    wait "$client" 2>/dev/null
    no_trace armed
    # The default that came with the upgrade lies beside the administrator's settings.
    [ "$(cd /etc/mmiotraced && echo *)" = 'mmiotraced.conf mmiotraced.conf.dpkg-dist' ] ||
        not_ok armed-left "$(ls -A /etc/mmiotraced)"
    install new
    mmiotracectl -q status >/tmp/answer 2>&1
    ! grep -qi armed /tmp/answer || not_ok armed-again "$(cat /tmp/answer)"
    passed armed
}

# Without a daemon: it has died, and its successor would have come in a minute.
case_purge() {
    mkdir -p /run/systemd/system/mmiotraced.service.d "$config.d"
    printf '[Service]\nRestartSec=1min\n' >/run/systemd/system/mmiotraced.service.d/test.conf
    systemctl daemon-reload
    echo >"$config.d/test.conf"
    begin purged
    kill -KILL "$(main_pid)"
    wait_for 60 has_crashed || not_ok purged-crash "$(systemctl show -P SubState mmiotraced)"
    watch_end
    take_away -P
    restored_in_time purged
    rm -r /run/systemd/system/mmiotraced.service.d
    systemctl daemon-reload
    no_trace purged
    dpkg --force-unsafe-io -P mmiotrace-analyze >/tmp/dpkg 2>&1 || not_ok purged-analyze "$(cat /tmp/dpkg)"
    our_names | diff /tmp/names - >/tmp/diff || not_ok purged-files "$(tr '\n' '|' </tmp/diff)"
    ! dpkg-query -W -f '${Package} ${db:Status-Status}\n' mmiotraced mmiotrace-analyze 2>/dev/null | grep -v not-installed ||
        not_ok purged-status "dpkg knows of them"
    passed purged
}

# The host's manual pages and their index are of no interest here, and a minute's work for an emulated processor.
rm -f /var/lib/man-db/auto-update
our_names >/tmp/names
# A ring that nobody ever sized has a size of its own kind, which cannot be set again.
echo 1408 >"$tracing/buffer_size_kb"
machine_state >/tmp/before
pipes_before=$(find /proc/1/fd -lname 'pipe:*' | wc -l)
case_install
case_stopped
case_upgrade
case_capturing
case_remove
case_armed
case_purge
finish
