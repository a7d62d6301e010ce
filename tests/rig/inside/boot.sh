#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# One boot of tests/rig/boot.sh or boot-alone.sh, named by the argument. /out/kept.tar gets what the next one has to find.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/at-boot.sh
. "$(dirname "$0")/at-boot.sh"

case_arm() {
    mmiotracectl start --driver e1000e --at-next-boot --stop-after 1h >/tmp/arm || give_up "cannot arm"
    cat /tmp/arm
    # Its exit status tells that no session is running.
    mmiotracectl status >/tmp/status
    grep -q 'armed for a session of e1000e' /tmp/status || not_ok arm "status does not say it: $(cat /tmp/status)"
    [ "$(stat -c '%a %U' /etc/mmiotraced/next-boot.json)" = '600 root' ] || not_ok arm "the file is not root's alone"
    check_restored arm-changes-nothing
}

case_capture() {
    wait_for 120 daemon_captures || give_up "the daemon does not capture"
    [ "$(cat /sys/devices/system/cpu/online)" = 0 ] || not_ok cpus "$(cat /sys/devices/system/cpu/online) are online"
    [ ! -e /etc/mmiotraced/next-boot.json ] || not_ok once "the next boot is armed still"
    [ "$(systemctl is-enabled mmiotraced)" = disabled ] || not_ok disabled "the service is enabled"
    armed=$(when mmiotraced-boot ExecMainExitTimestampMonotonic)
    for unit in systemd-udevd systemd-udev-trigger mmiotraced; do
        [ "$armed" -lt "$(when "$unit" ExecMainStartTimestampMonotonic)" ] || not_ok order "$unit was earlier"
    done
    echo "# armed at $armed us, the daemon was up at $(when mmiotraced ActiveEnterTimestampMonotonic) us"
    mmiotracectl status || not_ok status "exit status $?"
    network_up || not_ok network "no answer over the traced device"
    mmiotracectl mark 'it works' || not_ok mark "no mark is taken"
    mmiotracectl stop --wait >/tmp/stop || not_ok stop "status $?: $(cat /tmp/stop)"
    check_restored stop
    mmiotracectl list --json=short | jq -e 'length == 1 and .[0].state == "sealed" and .[0].result == "success"' >/dev/null ||
        not_ok list "$(mmiotracectl list)"
    check_log 1
    # Before there was a daemon, the driver was at work.
    awk -v up="$(when mmiotraced ExecMainStartTimestampMonotonic)" \
        '$1 == "R" { n++; if ($3 * 1000000 < up) early++ } END { exit !(early > 500) }' /tmp/records ||
        not_ok early "the driver was not loaded before the daemon came"
    grep -q '^MARK .* it works' /tmp/records || not_ok mark "it is not in the log"
}

# The one who restores is mmiotraced-boot-recover.timer.
case_alone() {
    [ "$(systemctl is-active mmiotraced-boot-recover.timer)" != inactive ] || not_ok timer "it does not run"
    systemctl list-jobs | grep -q 'mmiotraced.service.*start' || not_ok job "no daemon is waiting for its start"
    check_restored restored
    journalctl -b -o cat -u mmiotraced-boot-recover
    systemctl stop never.service
    wait_for 120 daemon_is_idle || give_up "the daemon is not idle"
    wait_for 120 grep -q '"state": *"sealed"' "$sessions/1/session.json" || not_ok sealed "the session is not sealed"
    [ "$(jq -r .result "$sessions/1/session.json")" = interrupted ] || not_ok result "$(jq .result "$sessions/1/session.json")"
    check_log 1
    check_restored over
}

case_after() {
    [ "$(systemctl show -P ConditionResult mmiotraced-boot)" = no ] || not_ok unit "mmiotraced-boot.service has run"
    [ "$(systemctl is-active mmiotraced)" = inactive ] || not_ok unit "the daemon runs, and nobody has asked for it"
    systemctl enable --now mmiotraced || not_ok enable "systemctl enable fails"
    daemon_is_idle || not_ok idle "$(daemon_state)"
    [ ! -e "$sessions/2" ] || not_ok sessions "there is a second session"
    mmiotracectl list
    # Loaded now, it is not traced.
    modprobe e1000e || not_ok load "cannot load e1000e"
    daemon_is_idle || not_ok idle "$(daemon_state)"
    check_restored after
}

case ${1:-alone} in
    arm)     case_arm ;;
    capture) case_capture ;;
    alone)   case_alone ;;
    after)   case_after ;;
esac
tar -C / -cf /out/kept.tar etc/mmiotraced var/lib/mmiotraced || not_ok kept "cannot keep the state"
finish
