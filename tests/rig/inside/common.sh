# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the scripts inside the full rig share. Sourced.

tracing=/sys/kernel/tracing
sessions=/var/lib/mmiotraced/sessions
failed=0

ok() {
    echo "ok $1"
}

not_ok() {
    echo "not ok $1: $2"
    failed=1
}

# give_up WHY: nothing behind it makes sense.
give_up() {
    echo "Bail out! $1"
    journalctl --no-pager -b -u mmiotraced -o cat | tail -n 30
    exit 1
}

finish() {
    if [ "$failed" != 0 ]; then
        journalctl --no-pager -b -u mmiotraced -o cat | tail -n 60
    fi
    exit "$failed"
}

# wait_for SECONDS COMMAND…: until it succeeds.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.2
    done
}

main_pid() {
    systemctl show -P MainPID mmiotraced.service
}

# The process that drains the ring. It takes a moment to have its name.
drain_pid() {
    pgrep -P "$(main_pid)" -x drain
}

daemon_state() {
    busctl get-property org.freedesktop.MmioTrace /org/freedesktop/MmioTrace org.freedesktop.MmioTrace1.Manager State
}

daemon_is_idle() {
    [ "$(daemon_state)" = 's "idle"' ]
}

daemon_captures() {
    [ "$(daemon_state)" = 's "capturing"' ]
}

e1000e_interface() {
    udevadm settle
    ls /sys/bus/pci/drivers/e1000e/0000:*/net
}

# The network over the device that the rig gives, up to the first answer.
network_up() {
    local interface
    interface=$(e1000e_interface) || return 1
    ip link set "$interface" up
    ip address replace 10.0.2.15/24 dev "$interface"
    # The link needs a second to come up, and pings before that are lost.
    wait_for 20 grep -qx 1 "/sys/class/net/$interface/carrier" || return 1
    ping -c 1 -W 5 10.0.2.2 >/dev/null
}

# All that a session may have changed, as text. In one process: there are two hundred files.
machine_state() {
    (cd "$tracing" && exec grep -H '' current_tracer tracing_on trace_clock tracing_cpumask buffer_size_kb \
        per_cpu/cpu*/buffer_size_kb buffer_percent events/enable options/* /sys/devices/system/cpu/online /proc/sys/kernel/ftrace_dump_on_oops)
}

service_state() {
    ls "$sessions" 2>/dev/null
    ls -A /run/mmiotraced 2>/dev/null
    return 0
}
