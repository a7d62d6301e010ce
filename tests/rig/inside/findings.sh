# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What "mmiotracectl check" finds, for the tests of it. Sourced after common.sh.

n_found=0

# look OPTION…: the findings, as "ID LEVEL FOUND TO-DO" lines in /tmp/findings. Returns the exit status.
look() {
    local status=0
    mmiotracectl --json=short check "$@" >/tmp/answer 2>/tmp/errors || status=$?
    jq -r '.[] | .id + " " + .level + " " + .found + " " + .to_do' /tmp/answer >/tmp/findings 2>>/tmp/errors || : >/tmp/findings
    return "$status"
}

# found NAME ID LEVEL PATTERN: among what look has left.
found() {
    local line
    line=$(grep "^$2 " /tmp/findings)
    if [[ $line =~ ^$2\ $3\ .*$4 ]]; then
        ok "$1 ($line)"
        n_found=$((n_found + 1))
    else
        not_ok "$1" "no $2 $3 \"$4\", but \"$line\" $(cat /tmp/errors)"
    fi
}

# finds NAME ID LEVEL PATTERN OPTION…: and leaves everything as it is. Only without blockers the exit status is 0.
finds() {
    local expected=("${@:1:4}") before status=0
    shift 4
    before=$(machine_state 2>&1; service_state)
    look "$@" || status=$?
    found "${expected[@]}"
    case ${expected[2]} in
        blocker) [ "$status" = 6 ] || not_ok "${expected[0]}-status" "$status, not 6" ;;
        *)       [ "$status" = 0 ] || grep -q '^[^ ]* blocker ' /tmp/findings || not_ok "${expected[0]}-status" "$status, not 0" ;;
    esac
    [ "$before" = "$(machine_state 2>&1; service_state)" ] || not_ok "${expected[0]}-unchanged" \
        "$(diff <(echo "$before") <(machine_state 2>&1; service_state) | tr '\n' '|')"
}
