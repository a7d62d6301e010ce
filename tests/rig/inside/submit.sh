#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A session whose archive goes to nginx, over TLS and with a token.

# Functions are given to wait_for by name.
# shellcheck disable=SC2317
set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
PATH=$PATH:/usr/sbin
bus=org.freedesktop.MmioTrace
object=/org/freedesktop/MmioTrace
session=$object/session/_1
secret=open-sesame-4711
www=/run/www

# For servers on "localhost", of an authority of our own.
make_certificates() {
    mkdir -p $www
    (cd $www && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=test" \
        -keyout ca.key -out ca.pem &&
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost \
            -keyout key.pem -out csr.pem && echo subjectAltName=DNS:localhost >ext &&
        openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out cert.pem) \
        2>/run/openssl.err || give_up "$(</run/openssl.err)"
}

start_nginx() {
    mkdir -p $www/files
    cat >$www/nginx.conf <<CONF
daemon off;
master_process off;
pid $www/pid;
error_log $www/error.log;
events { }
http {
    access_log $www/access.log;
    client_body_temp_path $www/body;
    proxy_temp_path $www/proxy;
    fastcgi_temp_path $www/fastcgi;
    uwsgi_temp_path $www/uwsgi;
    scgi_temp_path $www/scgi;
    client_max_body_size 0;
    server {
        listen 127.0.0.1:8443 ssl;
        ssl_certificate cert.pem;
        ssl_certificate_key key.pem;
        root $www/files;
        if (\$http_authorization != "Bearer $secret") { return 401; }
        location / { dav_methods PUT; create_full_put_path on; }
    }
}
CONF
    systemd-run --quiet --unit nginx-test nginx -p $www -c $www/nginx.conf || give_up "nginx cannot be started"
    wait_for 30 test -s $www/pid || give_up "nginx does not run: $(cat $www/error.log)"
}

configure() {
    (umask 077; echo "$secret" >/etc/mmiotraced/lab.secret)
    cat >>/etc/mmiotraced/mmiotraced.conf <<CONF
[Submit]
RetrySec=1s
RetryMaxSec=2s
[Target lab]
URL=https://localhost:8443/{vendor}/{device}/{driver}/{archive}
SecretFile=/etc/mmiotraced/lab.secret
CAFile=$www/ca.pem
CONF
    mkdir -p {/usr/lib,/run,/etc}/mmiotraced/mmiotraced.conf.d
    cat >/usr/lib/mmiotraced/mmiotraced.conf.d/10-stranger.conf <<CONF
[Target stranger]
URL=https://localhost:8443/{archive}
SecretFile=/etc/mmiotraced/lab.secret
CONF
    echo "[Submit]
Attempts=9
Colour=red
Attempts=often" >/run/mmiotraced/mmiotraced.conf.d/20-attempts.conf
    echo "[Seal]
Level=9" >/usr/lib/mmiotraced/mmiotraced.conf.d/30-hidden.conf
    ln -s /dev/null /etc/mmiotraced/mmiotraced.conf.d/30-hidden.conf
}

in_journal() {
    journalctl --no-pager -b -u mmiotraced -o cat | grep -qF "$1"
}

# Of a daemon that runs: the folders are within reach of its sandbox, and once systemctl is back it is done.
check_reload() {
    local before settings line
    mmiotracectl config >/dev/null || give_up "the daemon does not start"
    before=$(main_pid)
    configure
    systemctl reload mmiotraced || { not_ok reload "$(systemctl status mmiotraced)"; return; }
    for line in '20-attempts.conf:3: [Submit] has no key "Colour"' '20-attempts.conf:4: bad value "often"'; do
        wait_for 10 in_journal "$line" || not_ok reload-warning "nobody was told: $line"
    done
    settings=$(mmiotracectl config --no-legend)
    if [ "$(main_pid)" = "$before" ] && systemctl is-active --quiet mmiotraced &&
        grep -qE '^Submit +Attempts +9 +/run/mmiotraced/mmiotraced.conf.d/20-attempts.conf:2$' <<<"$settings" &&
        grep -qE '^Seal +Level +6 +default$' <<<"$settings" &&
        grep -qE '^Target lab +SecretFile +/etc/mmiotraced/lab.secret +/etc/mmiotraced/mmiotraced.conf:[0-9]+$' <<<"$settings" &&
        grep -qE '^Target stranger +URL +https://[^ ]+ +/usr/lib/mmiotraced/mmiotraced.conf.d/10-stranger.conf:2$' <<<"$settings"; then
        ok reload
    else
        not_ok reload "$settings"
    fi
}

property() {
    busctl --json=short get-property $bus "$1" $bus"1.$2" "$3" | jq -r "${4:-.data}"
}

submission_is() {
    [ "$(property $session Session Submission '.data[0]')" = "$1" ]
}

n_receipts() {
    property $session Session Receipts '.data | length'
}

has_receipts() {
    [ "$(n_receipts)" = "$1" ]
}

upload_unit() {
    systemctl list-units --plain --no-legend 'mmiotraced-upload@*' | awk '{ print $1 }'
}

no_upload() {
    [ -z "$(upload_unit)" ]
}

# Not while it is forked, but as the program that it becomes.
upload_runs() {
    local unit pid
    unit=$(upload_unit)
    [ -n "$unit" ] || return 1
    pid=$(systemctl show -P MainPID "$unit")
    [ "$(readlink "/proc/$pid/exe")" = /usr/libexec/mmiotraced/mmiotraced-upload ] && [ "$(find "/proc/$pid/fd" | wc -l)" -gt 6 ]
}

# submit TARGET
submit() {
    mmiotracectl -q submit 1 --to "$1" --yes --no-block >/tmp/answer 2>&1
}

make_certificates
start_nginx
check_reload
busctl monitor >/run/bus.log 2>/dev/null &

mmiotracectl -q start --description "What it is for" >/tmp/answer 2>&1 || give_up "cannot start: $(</tmp/answer)"
mmiotracectl -q mark here >/dev/null
mmiotracectl -q stop --wait >/tmp/answer 2>&1 || give_up "cannot stop: $(</tmp/answer)"
archive=$sessions/1/archive.tar.xz
name=$(property $session Session Archive)
stored="$www/files/none/none/all/$name"

# Goes out, and is there as it was.
submit lab || not_ok submit "$(</tmp/answer)"
wait_for 60 has_receipts 1 || give_up "no receipt: $(property $session Session SubmitError) $(property $session Session Submission)"
if cmp "$archive" "$stored" && [ "$(property $session Session Receipts '.data[0][2]')" = "$(sha256sum <"$archive" | cut -d' ' -f1)" ] &&
    [ "$(property $session Session Receipts '.data[0][1]')" = "https://localhost:8443/none/none/all/$name" ]; then
    ok "submit ($(stat -c %s "$stored") bytes)"
else
    not_ok submit "$(property $session Session Receipts)"
fi
wait_for 10 no_upload || not_ok ends "$(upload_unit) is still there"

# A certificate of somebody whom the system does not trust.
submit stranger || not_ok stranger "$(</tmp/answer)"
wait_for 30 submission_is "" || not_ok stranger "it is still $(property $session Session Submission)"
reason=$(property $session Session SubmitError)
if [[ $reason == *certificate* ]] && has_receipts 1; then ok "stranger ($reason)"; else not_ok stranger "$reason"; fi

# While the server hangs: who is it that uploads, and what has it?
rm "$stored"
kill -STOP "$(<$www/pid)"
submit lab || not_ok hang "$(</tmp/answer)"
wait_for 30 upload_runs || give_up "the upload unit does not run: $(property $session Session Submission)"
pid=$(systemctl show -P MainPID "$(upload_unit)")
status=$(grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):' "/proc/$pid/status" | tr '\t\n' '  ')
if [[ $status =~ Uid:\ 6[0-9]{4}\  && $status == *"CapEff: 0000000000000000"* && $status == *"CapBnd: 0000000000000000"* &&
    $status == *"NoNewPrivs: 1"* && $status == *"Seccomp: 2"* ]]; then
    ok "sandbox ($status)"
else
    not_ok sandbox "$status"
fi
if grep -aqF "$secret" "/proc/$pid/cmdline" "/proc/$pid/environ"; then
    not_ok secret-in-proc "it is in the arguments or the environment"
fi

# Killed in the middle: the unit goes with the daemon, and the next daemon does it, once.
before=$(main_pid)
kill -KILL "$before"
wait_for 30 test ! -e "/proc/$pid" || not_ok kill "the upload goes on without the daemon"
restarted() { [ "$(main_pid)" != 0 ] && [ "$(main_pid)" != "$before" ]; }
wait_for 30 restarted || give_up "the daemon does not come back"
kill -CONT "$(<$www/pid)"
if wait_for 60 has_receipts 2 && cmp "$archive" "$stored" && [ "$(find $www/files -type f | wc -l)" = 1 ]; then
    ok "kill (attempts: $(grep -c PUT $www/access.log) at the server)"
else
    not_ok kill "$(property $session Session Submission) $(property $session Session SubmitError) $(find $www/files -type f)"
fi

# Cancelled in the middle.
rm "$stored"
kill -STOP "$(<$www/pid)"
submit lab || not_ok cancel "$(</tmp/answer)"
wait_for 30 upload_runs || not_ok cancel "it does not run"
mmiotracectl -q submit --cancel 1 >/tmp/answer 2>&1 || not_ok cancel "$(</tmp/answer)"
wait_for 30 no_upload || not_ok cancel "the unit is still there"
kill -CONT "$(<$www/pid)"
# Nothing comes late: the server has worked off what it had accepted.
systemctl stop nginx-test
if has_receipts 2 && submission_is "" && [ ! -e "$stored" ]; then ok cancel; else not_ok cancel "$(property $session Session Submission)"; fi

# Down: tried again, until it is back.
submit lab || not_ok down "$(</tmp/answer)"
tried_twice() { [ "$(property "$session" Session Submission '.data[4]')" -ge 2 ]; }
wait_for 30 tried_twice || not_ok down "$(property $session Session Submission)"
reason=$(property $session Session Submission '.data[5]')
start_nginx
if wait_for 60 has_receipts 3 && cmp "$archive" "$stored"; then ok "down ($reason)"; else not_ok down "$reason"; fi

# Nobody was told.
kill %1
journalctl --no-pager -b -o json >/run/journal
for file in /run/journal /run/bus.log; do
    [ -s $file ] || not_ok "$file" "there is nothing in it"
    ! grep -aqF "$secret" $file || not_ok "$file" "the secret is in it"
done
ok "secret ($(wc -c </run/bus.log) bytes of bus traffic, $(wc -l </run/journal) lines of journal)"
finish
