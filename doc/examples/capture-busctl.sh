#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A session with nothing but D-Bus calls: captures while a command runs, and prints what there is of it.
# usage: capture-busctl.sh COMMAND…

set -eu
name=org.freedesktop.MmioTrace path=/org/freedesktop/MmioTrace interface=org.freedesktop.MmioTrace1
# Start answers when the capture runs, Stop when the machine is restored: that may take a while.
manager() { busctl --timeout=600 call $name $path $interface.Manager "$@"; }
property() { busctl get-property $name "$session" $interface.Session "$1"; }

session=$(manager Start 'a{sv}' 2 description s "capture-busctl.sh" stop-after t 3600000000 | cut -d '"' -f 2)
trap 'manager Stop "a{sv}" 0' EXIT
manager Mark 'sa{sv}' "before $1" 0 >/dev/null
"$@"
trap - EXIT
manager Stop 'a{sv}' 0
# Its archive is made now. With more than busctl, wait for the signal JobRemoved instead.
while [ "$(property Job)" != 'o "/"' ]; do sleep 0.2; done
for what in State Result Events LostEvents ArchivePath; do echo "$what: $(property $what)"; done
