#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# One boot of tests/rig/initramfs.sh, named by the argument.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/at-boot.sh
. "$(dirname "$0")/at-boot.sh"

# Seconds after the boot at which the kernel says something for the first time.
said() {
    dmesg | sed -n "s/^\[ *\([0-9.]*\)\].*$1.*/\1/p" | head -n 1
}

# loaded early|late: by the initramfs, which has not mounted the root file system then, or after that.
check_loaded() {
    local driver root
    driver=$(said 'e1000e: Intel(R) PRO') root=$(said 'EXT4-fs (vda): mounted')
    if [ -z "$root" ] || [ -z "$driver" ]; then
        not_ok loaded "e1000e: ${driver:-never} s, root: ${root:-never} s"
        return
    fi
    case $1 in
        early) awk "BEGIN { exit !($driver < $root) }" ;;
        late)  awk "BEGIN { exit !($driver > $root) }" ;;
    esac || { not_ok loaded "e1000e came at $driver s, the root file system at $root s"; return; }
    ok "loaded $1 (e1000e came at $driver s, the root file system at $root s)"
}

arm() {
    mmiotracectl start --driver e1000e --at-next-boot --stop-after 1h >/tmp/arm || give_up "cannot arm"
    cat /tmp/arm
    tr -s ' \n' ' ' </tmp/arm | grep -q 'e1000e is in the initramfs .*: for that one boot.* add modprobe.blacklist=e1000e to' ||
        not_ok advice "it does not say what the boot needs"
    [ -e /etc/mmiotraced/next-boot.json ] || not_ok arm "nothing is armed"
}

# The initramfs has loaded the driver of this boot, too.
case_arm() {
    lsinitramfs "/boot/initrd.img-$(uname -r)" | grep '/e1000e\.ko' || give_up "Debian's initramfs has no e1000e"
    check_loaded early
    arm
    check_restored arm-changes-nothing
}

# Armed, but nobody has kept the initramfs from the driver: that has to be said, and to be no empty session.
case_missed() {
    check_loaded early
    [ ! -e /etc/mmiotraced/next-boot.json ] || not_ok once "the next boot is armed still"
    [ "$(systemctl is-failed mmiotraced-boot)" = failed ] || not_ok unit "mmiotraced-boot.service has not failed"
    journalctl -b -o cat -u mmiotraced-boot | tee /tmp/journal
    grep -q 'No session begins at this boot: e1000e was loaded before .*, probably from the initramfs' /tmp/journal ||
        not_ok journal "it does not say why"
    grep -q 'modprobe.blacklist=e1000e' /tmp/journal || not_ok journal "it does not say what to do"
    [ "$(systemctl is-active mmiotraced)" = inactive ] || not_ok daemon "it runs, and nobody has asked for it"
    # Whoever asks gets to know.
    mmiotracectl list
    wait_for 60 daemon_is_idle || not_ok idle "$(daemon_state)"
    mmiotracectl list --json=short | jq -e 'length == 1 and .[0].state == "failed"' >/dev/null ||
        not_ok list "$(mmiotracectl list --json=short)"
    mmiotracectl show 1 >/tmp/show
    cat /tmp/show
    tr -s ' \n' ' ' </tmp/show | grep -q 'e1000e was loaded before the session could begin' || not_ok show "it does not say why"
    check_restored missed-changes-nothing
    [ "$failed" != 0 ] || ok missed
    arm
}

case_capture() {
    wait_for 120 daemon_captures || give_up "the daemon does not capture"
    check_loaded late
    [ "$(cat /sys/devices/system/cpu/online)" = 0 ] || not_ok cpus "$(cat /sys/devices/system/cpu/online) are online"
    [ ! -e /etc/mmiotraced/next-boot.json ] || not_ok once "the next boot is armed still"
    [ "$(systemctl is-enabled mmiotraced)" = disabled ] || not_ok disabled "the service is enabled"
    echo "# armed at $(when mmiotraced-boot ExecMainExitTimestampMonotonic) us," \
        "the daemon was up at $(when mmiotraced ActiveEnterTimestampMonotonic) us"
    mmiotracectl status || not_ok status "exit status $?"
    network_up || not_ok network "no answer over the traced device"
    mmiotracectl mark 'it works' || not_ok mark "no mark is taken"
    mmiotracectl stop --wait >/tmp/stop || not_ok stop "status $?: $(cat /tmp/stop)"
    check_restored stop
    mmiotracectl list --json=short |
        jq -e 'length == 2 and (map(select(.id == 2))[0] | .state == "sealed" and .result == "success")' >/dev/null ||
        not_ok list "$(mmiotracectl list --json=short)"
    check_log 2
    grep '^MAP' /tmp/records
    grep -q '^MARK .* it works' /tmp/records || not_ok mark "it is not in the log"
}

case_after() {
    check_loaded early
    [ "$(systemctl show -P ConditionResult mmiotraced-boot)" = no ] || not_ok unit "mmiotraced-boot.service has run"
    [ "$(systemctl is-active mmiotraced)" = inactive ] || not_ok daemon "it runs, and nobody has asked for it"
    network_up || not_ok network "no answer over the device"
    check_restored after
    mmiotracectl list
    daemon_is_idle || not_ok idle "$(daemon_state)"
    [ ! -e "$sessions/3" ] || not_ok sessions "there is a third session"
    check_restored after-asking
}

echo "# $(cat /proc/cmdline)"
[ "$(findmnt -n -o SOURCE,FSTYPE,OPTIONS / | tr -s ' ' | cut -d , -f 1)" = '/dev/vda ext4 rw' ] || not_ok root "$(findmnt /)"
case $1 in
    arm)     case_arm ;;
    missed)  case_missed ;;
    capture) case_capture ;;
    after)   case_after ;;
esac
systemctl list-units --failed --no-legend --plain
finish
