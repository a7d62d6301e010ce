#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A boot that is armed, and to whose daemon it never comes: the machine must not stay on one CPU, and what the ring holds
# must not be lost.
#
# By name only: the time for all of tools/check is short.

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=boot
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
command -v jq >/dev/null || die "jq is missing" 77

# The daemon is to start, but behind something that never ends; and nobody wants to wait for five minutes.
armed=$work/armed
units=$armed/etc/systemd/system
mkdir -p "$armed/etc/mmiotraced" "$units"/{mmiotraced.service.d,systemd-logind.service.wants,mmiotraced-boot-recover.timer.d} \
    "$armed/var/lib/mmiotraced"
printf '[Service]\nType=oneshot\nExecStart=/bin/sleep infinity\nTimeoutStartSec=infinity\n' >"$units/never.service"
printf '[Unit]\nWants=never.service\nAfter=never.service\n' >"$units/mmiotraced.service.d/never.conf"
ln -s /lib/systemd/system/mmiotraced.service "$units/systemd-logind.service.wants/mmiotraced.service"
printf '[Timer]\nOnActiveSec=\nOnActiveSec=5s\n' >"$units/mmiotraced-boot-recover.timer.d/test.conf"
# As Manager.Arm writes it.
jq -n '{ version: 1, owner_uid: 0, driver: "e1000e", load: true, at_boot: true, keep: "oldest",
    stop_after_usec: 3600000000 }' >"$armed/etc/mmiotraced/next-boot.json"
chmod 600 "$armed/etc/mmiotraced/next-boot.json"

[ $# -gt 0 ] || set -- 6.12
for kernel; do
    run_inside "$kernel" --overlay "$armed" --append maxcpus=2
done
