#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Call stacks from the start option to the archive, under systemd and with the shipped units.

set -euo pipefail
tracing=/sys/kernel/tracing
work=$(mktemp -d)

fail() {
    echo "stacks: $1" >&2
    journalctl --no-pager -o cat -u 'mmiotraced*' | tail -n 40 >&2
    exit 1
}

# capture NAME OPTIONS…: load e1000e in a session, and unpack its archive into $work/NAME.
capture() {
    local name=$1 id
    shift
    mmiotracectl start --driver e1000e --load --quiet "$@" >/dev/null
    cat "$tracing/options/stacktrace" >"$work/$name.during"
    udevadm settle
    mmiotracectl mark "the driver is there" >/dev/null
    ${before_stop:-true}
    mmiotracectl stop --wait --quiet >/dev/null || fail "stop ended with $?"
    id=$(mmiotracectl list --json=short | grep -o '"id":[0-9]*' | tail -n 1 | cut -d: -f2)
    mkdir "$work/$name"
    mmiotracectl export "$id" "$work/$name.tar.xz" --quiet >/dev/null
    tar -xJf "$work/$name.tar.xz" -C "$work/$name"
    modprobe -r e1000e 2>/dev/null || true
}

# decode NAME ARGUMENTS…: the raw segments of an archive.
decode() {
    local raw=$work/$1/raw
    shift
    mmiotrace-analyze decode --formats "$raw/formats" --pci-devices "$raw/pci_devices" "$@" "$raw"/cpu*.raw
}

# The text of the log, without what differs from boot to boot and run to run.
shape() {
    awk '$1 ~ /^(R|W|MAP|UNMAP|UNKNOWN|MARK|VERSION|PCIDEV)$/ { print $1, NF; next } { print "other", $0 }' "$1" | sort | uniq -c |
        awk '{ print $2, $3 }'
}

echo 0 >"$tracing/options/stacktrace"
capture plain
[ ! -e "$work/plain/raw" ] || fail "there are raw segments nobody asked for"
[ "$(cat "$work/plain.during")" = 0 ] || fail "stacks were recorded unasked"

capture stacks --stacks
[ "$(cat "$work/stacks.during")" = 1 ] || fail "no stacks were recorded"
[ "$(cat "$tracing/options/stacktrace")" = 0 ] || fail "options/stacktrace was not restored"
[ "$(cat "$tracing/current_tracer")" = nop ] || fail "the tracer is on"
tar -tJf "$work/stacks.tar.xz"
cd "$work/stacks/raw"
for file in formats/header_page formats/kernel_stack.format pci_devices kallsyms modules; do
    [ -s "$file" ] || fail "raw/$file is missing"
done
grep -q '\[e1000e\]$' kallsyms || fail "kallsyms has no e1000e: $(head -c 200 kallsyms)"
grep -q '^e1000e \.text 0xffffffff' modules || fail "modules has no e1000e: $(head -c 200 modules)"
grep -q '"stacks": *true' ../metadata.json || fail "the metadata does not tell of stacks"

# The log is what the raw segments decode to, and what a session without stacks has.
decode stacks >"$work/decoded"
cmp "$work/decoded" ../mmiotrace.log || fail "the log is not what its raw segments hold"
shape "$work/plain/mmiotrace.log" >"$work/shape.plain"
shape "$work/stacks/mmiotrace.log" >"$work/shape.stacks"
diff "$work/shape.plain" "$work/shape.stacks" || fail "the log looks different with stacks"

decode stacks --verbose --kallsyms kallsyms --modules modules >"$work/verbose"
grep -v '^    ' "$work/verbose" | cmp - "$work/decoded" || fail "verbose changes the lines of the log"
# named PATTERN FILE: per cent of the accesses with a frame like that on their stack.
named() {
    awk -v pattern="$1" '
        function count() { if (access) { n++; hits += hit } hit = 0 }
        /^[^ ]/ { count(); access = /^(R|W|UNKNOWN) / }
        $0 ~ pattern { hit = 1 }
        END { count(); printf "%d %d\n", n, n ? hits * 100 / n : 0 }' "$2"
}
read -r accesses percent < <(named '\\[e1000e\\]$' "$work/verbose")
grep -m 1 -A 11 '^R ' "$work/verbose"
echo "accesses=$accesses named=$percent%"
[ "$accesses" -gt 1000 ] || fail "only $accesses accesses"
[ "$percent" -gt 90 ] || fail "only $percent % of the accesses name e1000e"
# Of the tracer itself nothing is shown.
! grep -qE 'asm_exc_debug|kmmio_|mmio_' "$work/verbose" || fail "frames of the tracer are shown"
ls -l "$work"/*.tar.xz
cd /

# A driver that is gone by the end was there after it had been loaded; and a value of somebody else comes back.
echo 1 >"$tracing/options/stacktrace"
before_stop='modprobe -r e1000e' capture gone --stacks
[ "$(cat "$tracing/options/stacktrace")" = 1 ] || fail "options/stacktrace was not restored to 1"
grep -q '\[e1000e\]$' "$work/gone/raw/kallsyms" || fail "the unloaded driver has no names: $(head -c 200 "$work/gone/raw/kallsyms")"

# Without the reader unit: no names, and said so. Raw without stacks has no symbols at all.
systemctl stop mmiotraced-inspect.socket
capture unnamed --stacks
grep -q '^unavailable: ' "$work/unnamed/raw/kallsyms" || fail "kallsyms does not say that it is unavailable"
grep -q 'have no names in the archive' "$work/unnamed/description.txt" || fail "there is no warning"
capture raw --keep-raw
[ "$(cat "$work/raw.during")" = 0 ] || fail "stacks were recorded with --keep-raw, from somebody else's setting"
[ ! -e "$work/raw/raw/kallsyms" ] || fail "there are symbols without stacks"
decode raw | cmp - "$work/raw/mmiotrace.log" || fail "the log is not what its raw segments hold"
echo "stacks: all is well on $(uname -r)"
