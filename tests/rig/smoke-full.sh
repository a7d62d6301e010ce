#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Does the full rig work? On each kernel: systemd, D-Bus, polkit, network, overlay and disk are
# there, and an exit status, a panic and a timeout come out as what they are.
#
# By name only: every other test in the full rig fails without it.

set -euo pipefail
rig=$(cd "$(dirname "$0")/../../tools" && pwd -P)/rig-full
work=$(mktemp -d)
watcher=''
trap '[ -z "$watcher" ] || kill "$watcher"; rm -rf "$work"' EXIT

fail() {
    echo "smoke-full: $1" >&2
    cat "$work"/stdout "$work"/stderr >&2
    exit 1
}

# run STATUS ARGUMENTS…: run the rig and expect that exit status.
run() {
    local expected=$1 status=0
    shift
    "$rig" "$@" >"$work/stdout" 2>"$work/stderr" || status=$?
    [ "$status" != 77 ] || { cat "$work/stderr" >&2; exit 77; }
    [ "$status" = "$expected" ] || fail "status $status, not $expected, of: $*"
}

cat >"$work/look" <<'SCRIPT'
#!/bin/bash
set -eux
# Output is live if the host can answer it.
echo ready
until [ -e /out/go ]; do sleep 0.1; done
state=$(systemctl is-system-running --wait)
[ "$state" = running ]
[ "$(systemd-detect-virt --container || true)" = none ]
# The boot does not wait for the drivers that udev loads.
udevadm settle
# polkit comes when it is called; the answer itself shows that it did.
busctl list --no-pager >/tmp/list
grep org.freedesktop.login1 /tmp/list
busctl get-property org.freedesktop.PolicyKit1 /org/freedesktop/PolicyKit1/Authority \
    org.freedesktop.PolicyKit1.Authority BackendName
# A tree with a real directory "lib" must not hide the root's link of that name.
[ -L /lib ]
systemctl cat overlaid.service >/dev/null
[ "$(stat -c %U:%a /)" = root:755 ]
[ "$(cat /opt/smoke/copied)" = copied ]
[ "$1" = "a  b'c" ]
[ ! -e /sys/bus/pci/drivers/e1000e ]
modprobe -n e1000e
head -c 4096 /dev/zero | tr '\0' x >/dev/vda

cd /sys/kernel/tracing
echo 16384 >buffer_size_kb
echo mmiotrace >current_tracer
modprobe e1000e
events=$(grep -cE '^[RW] ' trace)
echo nop >current_tracer
[ "$events" -gt 1000 ]
[ "$(cat /sys/devices/system/cpu/online)" = 0-1 ]

# No one configures the interface but us; udev may rename it until it has settled.
udevadm settle
interface=$(ls /sys/bus/pci/drivers/e1000e/0000:*/net)
ip link set "$interface" up
ip address add 10.0.2.15/24 dev "$interface"
# The link needs a second to come up, and pings before that are lost.
until [ "$(cat "/sys/class/net/$interface/carrier")" = 1 ]; do sleep 0.1; done
ping -c 1 -W 5 10.0.2.2
echo "kernel=$(uname -r) events=$events state=$state" >/out/summary
exit 3
SCRIPT
chmod +x "$work/look"
echo 'echo c >/proc/sysrq-trigger' >"$work/panic"
echo 'sleep 1000' >"$work/hang"
mkdir -p "$work/out" "$work/tree/lib/systemd/system"
chmod 700 "$work/tree"
printf '[Service]\nExecStart=true\n' >"$work/tree/lib/systemd/system/overlaid.service"
echo copied >"$work/copied"

[ $# -gt 0 ] || set -- 6.1
for kernel; do
    rm -f "$work/out/go"
    truncate -s 0 "$work/disk"
    truncate -s 1M "$work/disk"
    : >"$work/stdout"
    (until grep -qx ready "$work/stdout"; do sleep 0.2; done; : >"$work/out/go") &
    watcher=$!
    # The status 3 says that the script came to its end and that 3 is what comes out.
    run 3 --kernel "$kernel" --out "$work/out" --overlay "$work/tree" --disk "$work/disk" \
        --file "$work/copied:/opt/smoke/copied" --blacklist e1000e \
        --qemu '-netdev user,id=n0,restrict=on -device e1000e,netdev=n0' "$work/look" "a  b'c"
    watcher=''
    [ "$(head -c 4096 "$work/disk" | tr -d x | wc -c)" = 0 ] || fail "the disk was not written"
    cat "$work/out/summary"
    run 125 --kernel "$kernel" "$work/panic"
    grep -q 'Kernel panic' "$work/stderr" || fail "the panic is not shown"
    run 124 --kernel "$kernel" --timeout 5 "$work/hang"
    grep -q '^rig-full: timeout' "$work/stderr" || fail "the timeout is not told"
done
