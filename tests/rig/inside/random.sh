#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Sequences of random actions, as /out/seed says: which seed, and how many of them. What is done follows from the seed; at
# which moment of a session it comes does not.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

module=e1000e
failures_max=3

# one_of WORD…: in $choice. Not by a subshell, where RANDOM would go its own way.
one_of() {
    local words=("$@")
    choice=${words[RANDOM % $#]}
}

# do_it WORD…: a client's command, in the background. It may fail, but not without a reason, and not by a signal.
do_it() {
    said+=" | $*"
    (
        timeout 120 "$@" >"/tmp/client.$n_clients.out" 2>&1 </dev/null
        echo "$? $*" >"/tmp/client.$n_clients.status"
    ) &
    clients+=($!)
    n_clients=$((n_clients + 1))
}

wait_for_clients() {
    local client
    for client in "${clients[@]}"; do
        wait "$client"
    done
    clients=()
}

random_start() {
    local options=()
    one_of '' '' '' --driver --driver --load --load --rebind --rebind nosuchdriver
    case $choice in
        --driver) options+=(--driver "$module") ;;
        --load | --rebind) options+=(--driver "$module" "$choice") ;;
        nosuchdriver) options+=(--driver nosuchdriver) ;;
    esac
    one_of '' '' '' '' '' --buffer-size=1M --buffer-size=32M --buffer-size=900T --expect-events=1M
    [ -z "$choice" ] || options+=("$choice")
    one_of '' '' '' --keep=oldest --stacks --keep-raw --force
    [ -z "$choice" ] || options+=("$choice")
    one_of '' '' '' --stop-after=1s --stop-after=1000events --stop-after=64K --stop-on-mark=last
    [ -z "$choice" ] || options+=("$choice")
    do_it mmiotracectl -q start "${options[@]}"
}

# What is killed is there or not.
kill_one() {
    local pids
    said+=" | kill $1"
    case $1 in
        daemon) pids=$(main_pid) ;;
        drain) pids=$(drain_pid) ;;
        *) pids=$(pgrep -P "$(main_pid)") ;;
    esac
    # shellcheck disable=SC2086
    [ "${pids:-0}" = 0 ] || kill -KILL $pids 2>/dev/null
}

bind_device() {
    local device
    said+=" | $1"
    for device in /sys/bus/pci/devices/*; do
        [ "$(cat "$device/vendor" "$device/device" | tr '\n' ' ')" = '0x8086 0x10d3 ' ] || continue
        { echo "${device##*/}" >"/sys/bus/pci/drivers/$module/$1"; } 2>/dev/null
    done
}

random_action() {
    one_of start start start start mark mark stop stop together kill kill kill restart service module module bind recover \
        run hold look pause
    case $choice in
        start) random_start ;;
        mark)
            one_of here there last "$(printf 'two\nlines')"
            do_it mmiotracectl -q mark "$choice"
            ;;
        stop)
            one_of '' --wait
            # shellcheck disable=SC2086
            do_it mmiotracectl -q stop $choice
            ;;
        together)
            random_start
            one_of start stop mark recover
            case $choice in
                start) random_start ;;
                mark) do_it mmiotracectl -q mark together ;;
                *) do_it mmiotracectl -q "$choice" ;;
            esac
            ;;
        kill)
            one_of daemon daemon drain workers
            kill_one "$choice"
            ;;
        restart) do_it systemctl restart mmiotraced ;;
        service)
            do_it systemctl stop mmiotraced
            wait_for_clients
            do_it systemctl start mmiotraced
            ;;
        module)
            one_of modprobe 'modprobe -r'
            # shellcheck disable=SC2086
            do_it $choice "$module"
            ;;
        bind)
            one_of bind unbind
            bind_device "$choice"
            ;;
        recover) do_it mmiotracectl -q recover ;;
        run) do_it mmiotracectl -q run -- sleep 0.5 ;;
        hold)
            said+=" | hold a pipe"
            sleep 1 9<"$tracing/per_cpu/cpu0/trace_pipe_raw" &
            clients+=($!)
            ;;
        look) do_it mmiotracectl status ;;
        pause)
            one_of 0.2 1 3
            said+=" | wait $choice"
            sleep "$choice"
            ;;
    esac
    # Each waits for the one before, most of the time.
    [ $((RANDOM % 3)) = 0 ] || wait_for_clients
}

# Called by wait_for.
# shellcheck disable=SC2317
all_are_over() {
    [ "$(mmiotracectl list --json=short 2>/dev/null | jq -r '[.[] | select(.state != "sealed" and .state != "failed")] | length')" = 0 ]
}

# Called by wait_for.
# shellcheck disable=SC2317
machine_is_back() {
    [ ! -e /run/mmiotraced/undo ] && machine_state >/tmp/after && cmp -s /tmp/before /tmp/after
}

wrong() {
    not_ok "sequence $number" "$1"
    right=0
}

check_clients() {
    local file status
    for file in /tmp/client.*.status; do
        [ -e "$file" ] || continue
        read -r status _ <"$file"
        # 125 is "run" itself, without a session.
        [ "$status" -lt 124 ] || [ "$status" = 125 ] || wrong "$(<"$file") ended like this: $(<"${file%.status}.out")"
        [ "$status" = 0 ] || grep -q '[a-z]' "${file%.status}.out" || wrong "$(<"$file") failed without a word"
    done
    rm -f /tmp/client.*
}

# Everything is over: is it as before?
check_end() {
    local failed_mute
    wait_for_clients
    systemctl reset-failed mmiotraced.service mmiotraced-recover.service 2>/dev/null
    systemctl start mmiotraced || wrong "the daemon does not start"
    mmiotracectl -q stop >/dev/null 2>&1
    wait_for 60 daemon_is_idle || wrong "the daemon is $(daemon_state)"
    wait_for 60 all_are_over || wrong "not all sessions are over: $(mmiotracectl list)"
    modprobe -r "$module" || wrong "the module does not go"
    wait_for 10 machine_is_back || wrong "$(diff /tmp/before /tmp/after | tr '\n' '|') $(ls /run/mmiotraced)"
    [ "$(systemctl show -P NFileDescriptorStore mmiotraced)" = 0 ] ||
        wrong "$(systemctl show -P NFileDescriptorStore mmiotraced) descriptors are left in the store"
    [ -z "$(pgrep -P "$(main_pid)")" ] || wrong "processes are left: $(pgrep -a -P "$(main_pid)")"
    failed_mute=$(mmiotracectl list --json=short | jq -r '.[] | select(.state == "failed" and (.result_text // "") == "") | .id')
    [ -z "$failed_mute" ] || wrong "sessions failed without a reason: $failed_mute"
    n_sessions=$((n_sessions + $(mmiotracectl list --json=short | jq length)))
    mmiotracectl list --json=short | jq -r '.[] | .state + " " + .result + " " + .result_text' >>/tmp/results
    # shellcheck disable=SC2046
    mmiotracectl -q remove $(mmiotracectl list --json=short | jq -r '.[].id') >/dev/null 2>&1
    check_clients
}

read -r seed n_sequences </out/seed
RANDOM=$seed
printf '[Seal]\nLevel=0\n[Capture]\nDumpOnOops=yes\n' >/etc/mmiotraced/mmiotraced.conf
echo 1408 >"$tracing/buffer_size_kb"
machine_state >/tmp/before
n_sessions=0 n_clients=0 n_failures=0
clients=()
for ((number = 1; number <= n_sequences; number++)); do
    said='' right=1 since=$(date '+%F %T')
    [ $((RANDOM % 4)) = 0 ] || random_start
    for ((n = 2 + RANDOM % 6; n > 0; n--)); do
        random_action
    done
    check_end
    [ "$right" = 0 ] || continue
    echo "# sequence $number (seed $seed):$said"
    journalctl --no-pager -u mmiotraced -u mmiotraced-recover -o cat --since "$since" | tail -n 60
    n_failures=$((n_failures + 1))
    [ "$n_failures" -lt "$failures_max" ] || give_up "too many failures"
done
echo "# $((number - 1)) sequences, $n_sessions sessions in $SECONDS s:"
sort /tmp/results | cut -c 1-150 | uniq -c | sort -rn | head -n 30 | sed 's/^/# /'
ok "random ($((number - 1)) sequences)"
finish
