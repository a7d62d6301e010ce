# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the scripts share that look at a session at boot. Sourced, behind common.sh.

# Microseconds after the boot.
when() {
    systemctl show -P "$2" "$1"
}

# Called by wait_for.
# shellcheck disable=SC2317
is_restored() {
    [ "$(cat "$tracing/current_tracer")" = nop ] && [ "$(cat /sys/devices/system/cpu/online)" = 0-1 ]
}

check_restored() {
    wait_for 60 is_restored ||
        not_ok "$1" "tracer $(cat "$tracing/current_tracer"), CPUs $(cat /sys/devices/system/cpu/online)"
    ! ls /run/mmiotraced/undo /run/mmiotraced/boot 2>/dev/null || not_ok "$1" "something is left in /run/mmiotraced"
    [ "$failed" != 0 ] || ok "$1"
}

# check_log ID: its log begins with the mapping of the device, and lost nothing.
check_log() {
    local archive=$sessions/$1/archive.tar.xz
    tar -xJOf "$archive" --wildcards '*mmiotrace.log' >/tmp/log || { not_ok log "no log in $archive"; return; }
    grep -v '^VERSION\|^PCIDEV' /tmp/log >/tmp/records
    # The device's first BAR, as the log's own head has it, without its flags.
    bar=$(awk '$1 == "PCIDEV" && $3 == "808610d3" { print "0x" substr($5, 1, length($5) - 1) "0" }' /tmp/log)
    head -n 1 /tmp/records | grep -q "^MAP [0-9.]* [0-9]* $bar " || not_ok log "begins with $(head -n 1 /tmp/records)"
    [ "$(grep -c '^[RW] ' /tmp/records)" -gt 500 ] || not_ok log "only $(grep -c '^[RW] ' /tmp/records) accesses"
    ! grep -q LOST /tmp/log || not_ok log "events are lost"
    [ "$failed" != 0 ] || ok "log ($(wc -l </tmp/records) records)"
}
