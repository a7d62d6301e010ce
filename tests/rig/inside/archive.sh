#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A session of bochs, which drives a display with a monitor, on a machine with a network card.

# Functions are given to item by name.
# shellcheck disable=SC2317
set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
PATH=$PATH:/sbin:/usr/sbin
unpacked=/tmp/unpacked
validate=$(dirname "$0")/../../validate-metadata
host=ferrum-lab
user=mkowalska
mac=52:54:00:12:34:56

hostnamectl hostname $host || give_up "the machine cannot be named"
echo "$user:x:1500:1500::/home/$user:/bin/sh" >>/etc/passwd
# With its address in /sys, and in the kernel's log of the session.
modprobe e1000e || give_up "no network card"
udevadm settle

mmiotracectl -q start --driver bochs --load --description "What it is for" >/tmp/answer 2>&1 ||
    give_up "cannot start: $(</tmp/answer)"
echo "<6>bochs test: $user at $host ($mac), ssid=\"Cafe Central\", serial number X77Q1-4711" >/dev/kmsg
mmiotracectl -q mark "the display is on" >/dev/null || give_up "cannot mark"
mmiotracectl -q stop --wait >/tmp/answer 2>&1 || give_up "cannot stop: $(</tmp/answer)"
mkdir $unpacked
(cd $unpacked && mmiotracectl -q export 1 >/dev/null && tar -xJf mmiotrace-*.tar.xz) || give_up "cannot export"
cd $unpacked || exit 1
name=$(echo mmiotrace-*.tar.xz)

# item WHAT COMMAND…: what a submission has to hold.
item() {
    local what=$1
    shift
    if "$@" >/tmp/item 2>&1; then ok "$what"; else not_ok "$what" "$*: $(head -c 300 /tmp/item)"; fi
}

# says FILTER: that it gives true.
says() {
    jq -e "$1" metadata.json
}

has_edid() {
    local file
    file=$(echo edid-card*.bin)
    /usr/bin/python3 - "$file" <<'PYTHON'
import sys
edid = open(sys.argv[1], "rb").read()
assert edid[:8] == bytes.fromhex("00ffffffffffff00") and len(edid) % 128 == 0
assert all(sum(edid[i:i + 128]) % 256 == 0 for i in range(0, len(edid), 128)), "a checksum is wrong"
PYTHON
}

decodes() {
    lspci -nnvv -F lspci-xxxx.txt >/tmp/lspci 2>/dev/null && grep -q 'Display controller.*\[1234:1111\]' /tmp/lspci &&
        ! grep -q 'access denied' /tmp/lspci && grep -qE 'Express \(v[12]\) Root Complex' /tmp/lspci && grep -q '^ff0: ' lspci-xxxx.txt
}

item "name of the archive, with the ids and the driver" grep -qE '^mmiotrace-12341111-.*bochs-[0-9TZ]+\.tar\.xz$' <<<"$name"
item "uname" grep -q "^Linux .* $(uname -r) " uname.txt
item "driver" says '.driver.name == "bochs" and .driver.loaded and (.driver.devices[0].driver_in_use | startswith("bochs"))'
item "module sections" says '.driver.sections[".text"] | test("^0x[0-9a-f]{16}$")'
item "BARs" says '.driver.devices[0].bars | length >= 1'
item "VBIOS, or why not" says '.driver.devices[0].vbios | startswith("unavailable: ")'
item "connectors" grep -qE '^card[0-9]-Virtual-1 of 0000:.*: connected, ' displays.txt
item "monitor" grep -q 'monitor: .*"QEMU Monitor"' displays.txt
item "modes" grep -q 'modes: .*1280x800' displays.txt
item "mode in use" grep -qE '^fb0: bochs-drm.*, mode U:[0-9]+x[0-9]+' displays.txt
item "EDID" has_edid
item "lspci" grep -q 'Kernel driver in use: bochs' lspci.txt
item "lspci -xxxx that lspci reads" decodes
item "modules" grep -q '^bochs ' modules.txt
item "kernel's log" grep -q 'mmiotrace: enabled' kernel.log
item "what was done, and when" grep -qE '^ +[0-9]+\.[0-9]{6}  the display is on$' description.txt
item "what the user said" grep -qx 'What it is for' description.txt
item "board and BIOS" grep -q '^Machine: QEMU .*BIOS SeaBIOS' description.txt
item "processors and memory" says '.machine.cpus.present == "0-1" and .machine.memory_bytes > 500000000'
item "command line" says '.machine.cmdline | test("blacklist=bochs")'
item "taint" says ".machine.taint == $(</proc/sys/kernel/tainted)"
item "lockdown" says '.machine.lockdown == "none"'
item "loss" says '.loss.events == 0 and .loss.gaps == 0'
item "marks by both clocks" says '.session.marks[0].realtime_usec > 0 and .session.marks[0].monotonic_usec > 0'
item "trace" grep -qE '^(R|W) [1248] ' mmiotrace.log
item "schema" "$validate" /usr/share/mmiotraced/metadata.schema.json metadata.json

# nowhere WHAT PATTERN…: bytes as grep -P takes them, in all files but the trace.
nowhere() {
    local what=$1 pattern where
    shift
    for pattern; do
        where=$(LC_ALL=C grep -laP -- "$pattern" ./*.txt ./*.json ./*.log ./*.bin | grep -v mmiotrace.log)
        [ -z "$where" ] || { not_ok "no $what" "'$pattern' is in $where"; return; }
    done
    ok "no $what"
}

nowhere "host name" "$host"
nowhere "user" "$user"
nowhere "network address" "(?i)$mac" "(?i)${mac//:/}" "(?i)${mac//:/ }" '\x52\x54\x00\x12\x34\x56' '\x56\x34\x12\x00\x54\x52' \
    '56 34 12 00 54 52' '56 34 12 ff ff 00 54 52'
nowhere "wireless network" "Cafe Central"
nowhere "serial number" "X77Q1"
item "what was redacted where it stood" grep -qF \
    'bochs test: [redacted user 1] at [redacted host 1] ([redacted mac 1]), ssid="[redacted ssid 1]", serial number [redacted serial 1]' \
    kernel.log
item "list of that" says '[.redactions[] | select(.where == "kernel.log") | .what] | sort == ["host", "mac", "serial", "ssid", "user"]'
mmiotracectl submit 1 --dry-run >/tmp/plan 2>&1
item "the list before a submit" grep -qE '1 serial in lspci-xxxx.txt' /tmp/plan
finish
