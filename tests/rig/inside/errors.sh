#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Everything that is refused: by its name, with a sentence, by its exit status, and with nothing changed.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

# What must be the same after a refusal. The ids that were given out are no part of it.
everything() {
    machine_state 2>&1
    service_state | grep -vx last-id
}

# read_answer: what mmiotracectl says as JSON, without a process: here each takes long.
read_answer() {
    local answer
    answer=$(</tmp/answer) error='' message=''
    [[ $answer =~ ^\{\"error\":\"([A-Za-z]+)\",\"message\":\"(.*)\"\}$ ]] || return 0
    error=${BASH_REMATCH[1]} message=${BASH_REMATCH[2]//\\\"/\"}
}

# judge NAME ERROR PATTERN STATUS: looks at $error (the name of the D-Bus error), $message and $status.
judge() {
    local name=$1 problem='' after
    [ "$status" = "$4" ] || problem+="status $status, not $4; "
    [ "$error" = "$2" ] || problem+="error $error, not $2; "
    [[ $message =~ $3 ]] || problem+="the message does not match \"$3\"; "
    [[ $message =~ ^[^\ ]+\ .*[.]$ ]] || problem+="the message is no sentence; "
    after=$(everything)
    [ "$before" = "$after" ] || problem+="changed: $(diff <(echo "$before") <(echo "$after") | tr '\n' '|'); "
    if [ -n "$problem" ]; then
        not_ok "$name" "$problem answer: $message $(</tmp/errors)"
    else
        ok "$name ($message)"
    fi
}

# refused NAME ERROR PATTERN STATUS ARGUMENTS…: of mmiotracectl.
refused() {
    local judgement=("${@:1:4}")
    shift 4
    status=0
    before=$(everything)
    "${as[@]}" mmiotracectl --json=short "$@" >/tmp/answer 2>/tmp/errors || status=$?
    read_answer
    judge "${judgement[@]}"
}
as=()

# refused_call NAME ERROR PATTERN METHOD ARGUMENTS…: the same of a call that mmiotracectl never makes. busctl
# shows the error's name to nobody but who debugs it.
refused_call() {
    local judgement=("${@:1:3}") pattern
    shift 3
    status=0 error='' message=''
    pattern='error-name=org\.freedesktop\.(MmioTrace1|DBus)\.Error\.([A-Za-z]+) error-message=([^'$'\n'']*)'
    before=$(everything)
    SYSTEMD_LOG_LEVEL=debug busctl call org.freedesktop.MmioTrace /org/freedesktop/MmioTrace \
        org.freedesktop.MmioTrace1.Manager "$@" >/dev/null 2>/tmp/errors || status=$?
    if [[ $(</tmp/errors) =~ $pattern ]]; then
        error=${BASH_REMATCH[2]} message=${BASH_REMATCH[3]}
    fi
    judge "${judgement[@]}" 1
}

start() {
    mmiotracectl -q start "$@" >/tmp/answer 2>&1 || give_up "cannot start $*: $(cat /tmp/answer)"
}

stop() {
    mmiotracectl -q stop --wait >/tmp/answer 2>&1 || not_ok "$1-stop" "$(cat /tmp/answer)"
}

# load_failed NAME PATTERN MODULE: here a session began, so that it stays, as a failed one with an archive.
load_failed() {
    local id
    status=0
    before=$(machine_state) files=$(ls -A /run/mmiotraced)
    mmiotracectl --json=short start --driver "$3" --load >/tmp/answer 2>/tmp/errors || status=$?
    read_answer
    wait_for 60 session_is_over || not_ok "$1-end" "the session does not end"
    if [ "$status $error" = '1 LoadFailed' ] && [[ $message =~ $2 ]] && [[ $message =~ [.]$ ]]; then
        ok "$1 ($message)"
    else
        not_ok "$1" "status $status, answer: $(cat /tmp/answer)"
    fi
    [ "$before" = "$(machine_state)" ] || not_ok "$1-restored" "$(diff <(echo "$before") <(machine_state))"
    [ "$files" = "$(ls -A /run/mmiotraced)" ] || not_ok "$1-files" "$(ls -A /run/mmiotraced)"
    id=$(<"$sessions/last-id")
    if [ "$(jq -r '.state + " " + .result' "$sessions/$id/session.json")" = 'failed load-failed' ] &&
        [ -s "$sessions/$id/archive.tar.xz" ]; then
        ok "$1-session"
    else
        not_ok "$1-session" "$(jq -c . "$sessions/$id/session.json")"
    fi
}

# Called by wait_for.
# shellcheck disable=SC2317
session_is_over() {
    jq -e '.state == "sealed" or .state == "failed"' "$sessions/$(<"$sessions/last-id")/session.json" >/dev/null
}

# With the ring as the boot left it: what is refused at once does not even touch that.
mmiotracectl -q list >/tmp/answer || give_up "the daemon does not answer"
grep -q expanded "$tracing/buffer_size_kb" || not_ok ring-is-new "$(cat "$tracing/buffer_size_kb")"

refused nothing-to-stop NotRunning 'mmiotracectl start' 1 stop
refused nothing-to-mark NotRunning 'mmiotracectl start' 1 mark text
refused unknown-driver NoSuchDriver 'called "nosuchdriver" on this kernel \([0-9.]+' 1 start --driver nosuchdriver
refused impossible-driver InvalidArgs 'not the name of a driver' 1 start --driver ../e1000e
refused not-bound DriverNotBound 'No PCI device is bound to e1000e.*--load' 1 start --driver e1000e --rebind
refused load-built-in LoadFailed 'built into this kernel' 1 start --driver pcieport --load
refused load-and-rebind InvalidArgs 'give one of them' 2 start --driver e1000e --load --rebind
refused load-nothing InvalidArgs 'name it: --driver' 2 start --load
refused no-session NoSuchSession 'no session 7' 4 status 7
refused_call unknown-option InvalidArgs 'no option "colour"; it has' Start 'a{sv}' 1 colour s red
refused_call option-type InvalidArgs '"load" takes a boolean' Start 'a{sv}' 2 driver s e1000e load s yes
refused_call load-what InvalidArgs 'name it' Start 'a{sv}' 1 load b true
refused_call both InvalidArgs 'either loaded or rebound' Start 'a{sv}' 3 driver s e1000e load b true rebind b true
refused_call description-control InvalidArgs 'without control characters' Start 'a{sv}' 1 description s $'a\033[31m'
as=(runuser -u nobody --)
refused not-root InteractiveAuthorizationRequired 'administrator has to permit' 1 start --driver e1000e
refused not-root-stop NotRunning 'No session is running' 1 stop
as=()

echo do_init_module >"$tracing/set_ftrace_filter"
echo function >"$tracing/current_tracer"
refused other-tracer TracerBusy '"function" is in use.*echo nop' 1 start --driver e1000e
echo nop >"$tracing/current_tracer"
echo >"$tracing/set_ftrace_filter"

# From here on the ring is not as new any more.
echo mmiotrace >"$tracing/current_tracer"
refused mmiotrace-on TracerBusy 'already on, started by somebody else.*mmiotracectl recover' 1 start --driver e1000e
echo nop >"$tracing/current_tracer"

cat "$tracing/trace_pipe" >/dev/null &
reader=$!
wait_for 5 fuser -s "$tracing/trace_pipe"
refused reader ReaderBusy "holds a trace pipe.*: cat \\(pid $reader\\); end it" 1 start --driver e1000e
kill "$reader"
wait "$reader" 2>/dev/null

exec 9<"$tracing/per_cpu/cpu0/trace_pipe_raw"
refused raw-reader ReaderBusy "holds a trace pipe.*: [a-z.]+ \\(pid $$\\).*; end it" 1 start --driver e1000e
exec 9<&-

# The reader unit is of help, but not needed.
systemctl stop mmiotraced-inspect.socket
exec 9<"$tracing/per_cpu/cpu0/trace_pipe_raw"
refused unknown-reader ReaderBusy 'holds a trace pipe.*; find it with "fuser -v' 1 start --driver e1000e
exec 9<&-
systemctl start mmiotraced-inspect.socket

exec 9<"$tracing/trace"
refused trace-open ReaderBusy "has the trace open.*: [a-z.]+ \\(pid $$\\).*; end it" 1 start --driver e1000e
exec 9<&-

# Without debugfs, below which the kernel mounts it by itself. The daemon has bound it to a place of its own at its start,
# so neither it nor the next one may find it.
if systemctl mask --quiet --runtime sys-kernel-tracing.mount && umount /sys/kernel/tracing && umount /sys/kernel/debug; then
    start --driver e1000e
    stop bound-tracefs
    systemctl restart mmiotraced
    mkdir /run/tracefs-aside
    mount -t tracefs tracefs /run/tracefs-aside
    saved=$tracing tracing=/run/tracefs-aside
    refused no-tracefs NoTracefs 'systemctl start sys-kernel-tracing.mount' 1 start --driver e1000e
    tracing=$saved
    umount /run/tracefs-aside
    systemctl unmask --quiet --runtime sys-kernel-tracing.mount
    mount -t debugfs debugfs /sys/kernel/debug
    systemctl start sys-kernel-tracing.mount
    systemctl restart mmiotraced
else
    not_ok no-tracefs "cannot unmount it"
fi

refused ring-too-large NoMemory 'half of that is the limit.*--buffer-size' 1 start --driver e1000e --buffer-size 64G
refused ring-too-small InvalidArgs 'too small; the least is 64' 1 start --driver e1000e --buffer-size 4K

# There is no processor with VIA's engine, so its init fails.
load_failed load-fails 'Loading padlock_sha failed: .*No such device' padlock-sha
echo 'install e1000e /bin/false' >/etc/modprobe.d/test.conf
load_failed install-fails 'Loading e1000e failed: .*install.*/bin/false' e1000e
rm /etc/modprobe.d/test.conf

# In the middle of a session.
start --driver e1000e
refused second-start AlreadyRunning 'Session [0-9]+ is capturing.*mmiotracectl stop' 1 start
refused mark-control InvalidArgs 'control characters' 2 mark $'a\tb\033[31m'
refused mark-newline MarkInvalid 'one line of 1 to 512 bytes' 1 mark $'a\nR 4 1.0 1 0x0 0x0 0x0 0'
refused mark-empty MarkInvalid 'one line of 1 to 512 bytes' 1 mark ''
refused mark-long MarkInvalid 'one line of 1 to 512 bytes.*more' 1 mark "$(printf 'x%.0s' {1..513})"
refused_call mark-control-call MarkInvalid 'without control characters' Mark 'sa{sv}' $'a\033[31m' 0
refused_call mark-option InvalidArgs 'no option' Mark 'sa{sv}' text 1 colour s red
refused_call stop-option InvalidArgs 'no option "wait"' Stop 'a{sv}' 1 wait b true
as=(runuser -u nobody --)
refused not-root-mark InteractiveAuthorizationRequired 'administrator has to permit' 1 mark text
refused not-root-stop-running InteractiveAuthorizationRequired 'administrator has to permit' 1 stop
as=()
echo 0 >"$tracing/tracing_on"
refused mark-while-off MarkRefused 'switched the recording off' 1 mark text
echo 1 >"$tracing/tracing_on"
echo 0 >"$tracing/options/markers"
refused mark-no-markers MarkRefused 'options/markers' 1 mark text
echo 1 >"$tracing/options/markers"
mmiotracectl -q mark 'taken again' >/tmp/answer 2>&1 || not_ok mark-taken-again "$(cat /tmp/answer)"
stop running

# Blacklisted on the command line, as the rig does: that is what --load is for.
start --driver e1000e --load
if [ -e /sys/module/e1000e ] && [ "$(busctl get-property org.freedesktop.MmioTrace /org/freedesktop/MmioTrace \
    org.freedesktop.MmioTrace1.Manager State)" = 's "capturing"' ]; then
    ok blacklisted-loads
else
    not_ok blacklisted-loads "e1000e is not there"
fi
network_up || not_ok blacklisted-network "no network"
stop blacklisted

refused bound DriverBound 'modprobe -r e1000e.*--rebind' 1 start --driver e1000e
refused load-loaded DriverBound 'modprobe -r e1000e' 1 start --driver e1000e --load
for device in /sys/bus/pci/drivers/e1000e/0000:*; do
    basename "$device" >/sys/bus/pci/drivers/e1000e/unbind
done
refused load-unbound DriverBound 'already loaded.*modprobe -r e1000e' 1 start --driver e1000e --load
finish
