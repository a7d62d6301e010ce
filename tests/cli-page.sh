#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# cli-page.sh MMIOTRACECTL PAGE
#
# Is what doc/cli.md shows what the program prints? Of the commands that need no daemon, word by word; and every verb
# has to be there. Prints TAP.

set -u
export LC_ALL=C.UTF-8 NO_COLOR=1 DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent
unset SYSTEMD_COLORS

if [ $# -ne 2 ]; then
    echo "usage: $0 MMIOTRACECTL PAGE" >&2
    exit 2
fi
ctl=$1 page=$2
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
ln -s "$(realpath "$ctl")" "$dir/mmiotracectl"

n=0 failed=0

# result STATUS WHAT: what is wrong stands in $dir/wrong.
result() {
    n=$((n + 1))
    if [ "$1" = 0 ]; then
        echo "ok $n - $2"
    else
        echo "not ok $n - $2"
        sed 's/^/# /' "$dir/wrong"
        failed=1
    fi
}

# shown COMMAND: what the page has behind it, up to the end of the block.
shown() {
    awk -v "command=\$ $1" '
        $0 == "```"   { show = 0 }
        show          { print }
        $0 == command { show = 1 }
    ' "$page"
}

# As a person would type it, which is how the page has it.
run() {
    local status=0
    (cd "$dir" && PATH=$dir:$PATH bash -c "$1" 2>&1 </dev/null) || status=$?
    [ $status = 0 ] || echo "(exit status $status)"
}

for command in 'mmiotracectl help' 'mmiotracectl help stop' 'mmiotracectl strat' 'mmiotracectl start --drivr e1000e' \
    'mmiotracectl start --load' 'mmiotracectl -H lab export 1'; do
    diff <(shown "$command") <(run "$command") >"$dir/wrong"
    result $? "$command"
done

for verb in $("$ctl" help | sed -n '/^Verbs:/,/^$/p' | grep -oE '^  [a-z]+'); do
    echo "tools/captures does not show it" >"$dir/wrong"
    grep -qE "^\\\$ (setpriv .* )?mmiotracectl( -.*)? $verb( |$)" "$page"
    result $? "$verb is shown"
done

# Colours are what a page of text cannot show: so once as the terminal gets them.
printf '%s\n' 'no colours' >"$dir/wrong"
grep -q '\^\[\[1;3[0-9]m' "$page"
result $? colours

echo "1..$n"
exit "$failed"
