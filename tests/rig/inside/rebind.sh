#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Drivers that have their devices already: taken off and given back, or refused because something hangs on them.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

bound() {
    find /sys/bus/pci/drivers/*/ -maxdepth 1 -name '0000:*' | sort
}

# refused NAME ERROR PATTERN ARGUMENTS…: of start; nothing may be bound otherwise behind it.
refused() {
    local name=$1 before status=0 answer
    before=$(bound; machine_state)
    mmiotracectl --json=short start "${@:4}" >/tmp/answer 2>/tmp/errors || status=$?
    answer=$(</tmp/answer)
    if [ "$status" = 1 ] && [[ $answer == *"\"error\":\"$2\""* ]] && [[ $answer =~ $3 ]]; then
        ok "$name ($answer)"
    else
        not_ok "$name" "status $status: $answer $(</tmp/errors)"
    fi
    [ "$before" = "$(bound; machine_state)" ] ||
        not_ok "$name-unchanged" "$(diff <(echo "$before") <(bound; machine_state) | tr '\n' '|')"
}

# rebind NAME DRIVER DEVICE: a whole session, the log of which has to have the probe from its start.
rebind() {
    local bar before id map status=0
    before=$(bound)
    # The first line is BAR 0, the first column where it begins.
    bar=$(awk 'NR == 1 { sub(/^0x0*/, "0x", $1); print $1 }' "/sys/bus/pci/devices/$3/resource")
    mmiotracectl -q start --driver "$2" --rebind >/tmp/answer 2>&1 || status=$?
    if [ "$status" != 0 ]; then
        not_ok "$1" "cannot start: $(</tmp/answer)"
        return
    fi
    [ "$before" = "$(bound)" ] || not_ok "$1-bound" "bound is now: $(bound | tr '\n' ' ')"
    mmiotracectl -q stop --wait >/tmp/answer 2>&1 || not_ok "$1-stop" "$(</tmp/answer)"
    [ "$before" = "$(bound)" ] || not_ok "$1-bound-after" "bound is now: $(bound | tr '\n' ' ')"
    id=$(<"$sessions/last-id")
    tar -xJf "$sessions/$id/archive.tar.xz" -O mmiotrace.log >/tmp/log || not_ok "$1-log" "there is none"
    map=$(awk -v bar="$bar" '$1 == "MAP" && $4 == bar { print $3; exit }' /tmp/log)
    # A MAP before all accesses, and so many of both kinds as only a probe makes.
    if [ -n "$map" ] && awk -v map="$map" '
        !first && !/^VERSION |^PCIDEV / { first = $1 }
        /^[RW] / && $4 == map { n[$1]++ }
        END { exit !(first == "MAP" && n["R"] >= 20 && n["W"] >= 20) }' /tmp/log; then
        ok "$1 ($(awk -v map="$map" '/^[RW] / && $4 == map' /tmp/log | wc -l) accesses to BAR 0)"
    else
        not_ok "$1" "map '$map' of $bar: $(grep -v '^PCIDEV' /tmp/log | head -n 3 | tr '\n' '|')"
    fi
    jq -c '[.state, .result, .driver, .module, .devices]' "$sessions/$id/session.json"
}

modprobe e1000e
network_up || give_up "no network"
device=$(basename /sys/bus/pci/drivers/e1000e/0000:*)

# Nobody's session of logind, so nobody's connection.
rebind local-caller e1000e "$device"
if network_up; then
    ok network-after
else
    not_ok network-after "no network"
fi

# The device is off its driver already when the kernel refuses, for nobody can say beforehand that it will.
systemctl stop mmiotraced-inspect.socket
exec 9<"$tracing/per_cpu/cpu0/trace_pipe_raw"
refused busy-in-the-middle ReaderBusy 'fuser -v' --driver e1000e --rebind
exec 9<&-
systemctl start mmiotraced-inspect.socket
network_up || not_ok busy-in-the-middle-network "no network"

# The module's name and the driver's on the bus are two.
usb=$(basename /sys/bus/pci/drivers/xhci_hcd/0000:*)
if [ -e "/sys/bus/pci/devices/$usb" ]; then
    rebind by-module xhci_pci "$usb"
    rebind by-bus-name xhci_hcd "$usb"
else
    not_ok by-module "there is no xhci device"
fi

# The user unloads the driver before the end: nothing is left to be given back, and the next session is not to suffer.
mmiotracectl -q start --driver e1000e --rebind >/tmp/answer 2>&1 || not_ok unloaded "cannot start: $(</tmp/answer)"
modprobe -r e1000e
mmiotracectl -q stop --wait >/tmp/answer 2>&1 || not_ok unloaded-stop "$(</tmp/answer)"
id=$(<"$sessions/last-id")
[ "$(jq -r '.state + " " + .result' "$sessions/$id/session.json")" = 'sealed success' ] ||
    not_ok unloaded-result "$(jq -c '[.state, .result, .result_text]' "$sessions/$id/session.json")"
jq -r '.warnings[]' "$sessions/$id/session.json" | grep -q 'e1000e was unloaded during the session' ||
    not_ok unloaded-warning "$(jq -c .warnings "$sessions/$id/session.json")"
if [ -e /run/mmiotraced/undo ]; then
    not_ok unloaded-journal "$(</run/mmiotraced/undo)"
else
    ok unloaded
fi
# The same with the device gone.
modprobe e1000e
udevadm settle
mmiotracectl -q start --driver e1000e --rebind >/tmp/answer 2>&1 || not_ok unplugged "cannot start: $(</tmp/answer)"
echo 1 >"/sys/bus/pci/devices/$device/remove"
mmiotracectl -q stop --wait >/tmp/answer 2>&1 || not_ok unplugged-stop "$(</tmp/answer)"
if [ -e /run/mmiotraced/undo ]; then
    not_ok unplugged-journal "$(</run/mmiotraced/undo)"
else
    ok unplugged
fi
echo 1 >/sys/bus/pci/rescan
udevadm settle
rebind after-those e1000e "$device"
network_up || not_ok after-those-network "no network"

# All virtio devices have one driver: the one with the share is enough.
refused 9p DeviceInUse 'mounted on \\\"/out\\\".*unmount it first' --driver virtio-pci --rebind
umount /out
mount /dev/vda /mnt || give_up "cannot mount the disk"
refused disk DeviceInUse 'mounted on \\\"/mnt\\\".*unmount it first' --driver virtio_pci --rebind
umount /mnt
mkswap /dev/vda >/dev/null
swapon /dev/vda
refused swap DeviceInUse 'active swap.*swapoff' --driver virtio_pci --rebind
swapoff /dev/vda

# Somebody who comes in over the very device: a process in a session that logind has for remote.
cat >/tmp/remote <<'SCRIPT'
until [ -e /tmp/go ]; do sleep 0.2; done
mmiotracectl --json=short start --driver e1000e --rebind >/tmp/answer 2>/tmp/errors
echo $? >/tmp/status
SCRIPT
bash /tmp/remote &
remote=$!
busctl call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager CreateSession \
    'uusssssussbssa(sv)' 0 "$remote" sshd tty user '' '' 0 '' '' true '' 10.0.2.2 0 >/tmp/login ||
    not_ok remote-caller "no session of logind: $(</tmp/login)"
before=$(bound)
: >/tmp/go
wait "$remote"
if [ "$(</tmp/status)" = 1 ] &&
    grep -q "\"DeviceInUse\".*network interface .*$(e1000e_interface)" /tmp/answer; then
    ok "remote-caller ($(</tmp/answer))"
else
    not_ok remote-caller "status $(</tmp/status): $(</tmp/answer) $(</tmp/errors)"
fi
[ "$before" = "$(bound)" ] || not_ok remote-caller-unchanged "bound is now: $(bound | tr '\n' ' ')"
finish
