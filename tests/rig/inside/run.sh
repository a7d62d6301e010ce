#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Sessions around a command: one that loads the driver, one that fails, one that is interrupted, one whose mmiotracectl
# is killed, and those of an ordinary user.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

# ended NAME STATUS: compares $status, and the machine with what it was.
ended() {
    local problem='' after
    [ "$status" = "$2" ] || problem+="status $status, not $2; "
    after=$(machine_state)
    [ "$before" = "$after" ] || problem+="changed: $(diff <(echo "$before") <(echo "$after") | tr '\n' '|'); "
    daemon_is_idle || problem+="the daemon is not idle; "
    if [ -n "$problem" ]; then
        not_ok "$1" "$problem$(cat /tmp/out /tmp/errors)"
    else
        ok "$1"
    fi
}

# Called by wait_for.
# shellcheck disable=SC2317
last_is_sealed() {
    [ "$(jq -r .state "$sessions/$(<"$sessions/last-id")/session.json")" = sealed ]
}

last_property() {
    jq -r ".$1" "$sessions/$(<"$sessions/last-id")/session.json"
}

log_of_last() {
    tar -xJOf "$sessions/$(<"$sessions/last-id")/archive.tar.xz" mmiotrace.log
}

# The first use of the ring makes it larger for good.
mmiotracectl -q run true >/tmp/out 2>/tmp/errors || give_up "cannot run: $(cat /tmp/errors)"
before=$(machine_state)

status=0
mmiotracectl run --driver e1000e -- modprobe e1000e >/tmp/out 2>/tmp/errors || status=$?
ended load 0
[ -s /tmp/out ] && not_ok load-output "$(cat /tmp/out)"
log_of_last >/tmp/log
# The whole of it lies between the two marks, and there is something.
if [ "$(grep -c '^MAP ' /tmp/log)" -ge 2 ] && [ "$(grep -c '^[RW] ' /tmp/log)" -ge 500 ] &&
    grep -m 1 -E '^(MAP|UNMAP|R|W|MARK) ' /tmp/log | grep -q '^MARK .* begin: modprobe e1000e$' &&
    tail -n 1 /tmp/log | grep -q '^MARK .* end: modprobe e1000e (exit status 0)$'; then
    ok load-log
else
    not_ok load-log "$(wc -l </tmp/log) lines, from $(grep -m 3 -E '^(MAP|R|W|MARK) ' /tmp/log) to $(tail -n 3 /tmp/log)"
fi
rmmod e1000e

# What is said about it afterwards comes into the archive, and everything else stays as it was.
sum=$(sha256sum </tmp/log)
status=0
mmiotracectl describe --text 'How the driver starts.' >/tmp/out 2>/tmp/errors || status=$?
archive=$sessions/$(<"$sessions/last-id")/archive.tar.xz
if [ "$status" = 0 ] && [ "$(log_of_last | sha256sum)" = "$sum" ] &&
    tar -xJOf "$archive" description.txt | grep -qx 'How the driver starts.'; then
    ok described
else
    not_ok described "status $status: $(cat /tmp/out /tmp/errors)"
fi
id=$(<"$sessions/last-id")
mmiotracectl show "$id" >/tmp/out 2>/tmp/errors || not_ok show "$(cat /tmp/errors)"
for pattern in '^ *Kernel: Linux' '^ *Module: .*/e1000e.ko' '^ *Device: 0000:00:.* 8086:10d3 Intel' 'mmiotrace.log (' \
    'begin: modprobe e1000e'; do
    grep -q -- "$pattern" /tmp/out && continue
    not_ok show "no $pattern in $(cat /tmp/out)"
done
status=0
mmiotracectl log --json=short >/tmp/out 2>/tmp/errors || status=$?
if [ "$status" = 0 ] && [ "$(jq -r '.[].message' /tmp/out | grep -c "^Session $id is ")" -ge 3 ]; then
    ok log
else
    not_ok log "status $status: $(cat /tmp/out /tmp/errors)"
fi
# Anybody can write such a field.
runuser -u nobody -- logger --journald <<ENTRY
MESSAGE=forged
MMIOTRACED_SESSION=$id
ENTRY
journalctl --sync
mmiotracectl log "$id" >/tmp/out
if grep -q "Session $id is sealed" /tmp/out && ! grep -q forged /tmp/out &&
    journalctl -q MMIOTRACED_SESSION="$id" -o cat | grep -q forged; then
    ok log-forged
else
    not_ok log-forged "$(cat /tmp/out)"
fi

status=0
mmiotracectl -q run sh -c 'exit 3' >/tmp/out 2>/tmp/errors || status=$?
ended fails 3
[ -s /tmp/errors ] && not_ok fails-quiet "$(cat /tmp/errors)"

# Ctrl-C, typed on a terminal: script(1) gives it one, and hands on what is typed.
mkfifo /tmp/keys /tmp/ready
status=0
{
    cat /tmp/ready >/dev/null
    printf '\003'
    # Its terminal stays until it has ended.
    cat /tmp/ready >/dev/null
} >/tmp/keys &
# It is a shell of the terminal that has to see the status.
# shellcheck disable=SC2016
script --quiet --return --command \
    'mmiotracectl run sh -c "echo >/tmp/ready; exec sleep 1000"; s=$?; echo >/tmp/ready; exit $s' /dev/null \
    </tmp/keys >/tmp/out 2>/tmp/errors || status=$?
ended control-c 130
if [ "$(last_property state)" = sealed ] && [ "$(last_property 'marks[-1].text' | grep -c 'ended by SIGINT')" = 1 ]; then
    ok control-c-sealed
else
    not_ok control-c-sealed "$(last_property state), $(last_property marks) $(cat /tmp/out)"
fi

mmiotracectl run sh -c 'echo >/tmp/ready; exec sleep 1000' >/tmp/out 2>/tmp/errors &
ctl=$!
cat /tmp/ready >/dev/null
[ "$(cat /sys/devices/system/cpu/online)" = 0 ] || not_ok killed-before "it does not capture"
kill -9 "$ctl"
wait "$ctl"
status=$?
wait_for 60 last_is_sealed
ended killed 137
case $(last_property 'warnings[]') in
    *'ended without stopping it'*) ok killed-said ;;
    *) not_ok killed-said "$(last_property 'warnings[]')" ;;
esac
pkill -x -P 1 sleep

# Who may not capture has not even run the command.
status=0
runuser -u nobody -- mmiotracectl --no-ask-password run touch /tmp/touched >/tmp/out 2>/tmp/errors || status=$?
ended refused 125
[ ! -e /tmp/touched ] || not_ok refused-command "the command was run"

# And who may runs it as nobody else.
cat >/etc/polkit-1/rules.d/10-test.rules <<'RULES'
polkit.addRule(function (action, subject) {
    if (action.id.indexOf("org.freedesktop.MmioTrace.") == 0 && subject.user == "nobody")
        return polkit.Result.YES;
});
RULES
chmod 644 /etc/polkit-1/rules.d/10-test.rules
systemctl restart polkit
status=0
runuser -u nobody -- mmiotracectl run id -un >/tmp/out 2>/tmp/errors || status=$?
ended nobody 0
[ "$(cat /tmp/out)" = nobody ] || not_ok nobody-command "it was run as $(cat /tmp/out)"
[ "$(last_property owner_uid)" = "$(id -u nobody)" ] || not_ok nobody-owner "$(last_property owner_uid)"
finish
