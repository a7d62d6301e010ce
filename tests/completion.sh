#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# completion.sh MMIOTRACECTL COMPLETION_BASH COMPLETION_ZSH
#
# Do the completions offer what the program takes, and nothing else? Prints TAP.

set -u
export LC_ALL=C

if [ $# -ne 3 ]; then
    echo "usage: $0 MMIOTRACECTL COMPLETION_BASH COMPLETION_ZSH" >&2
    exit 2
fi
ctl=$1 zsh_file=$3
# shellcheck disable=SC1090
. "$2"
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
# What the completions ask: a program that answers without a daemon.
cat >"$dir/mmiotracectl" <<'PROGRAM'
#!/bin/sh
case "$1 $2" in
    "list --no-legend") printf ' 1 sealed -\n12 capturing e1000e\n' ;;
    "config --no-legend") printf 'Seal       Level default 6\nTarget lab URL /x:1 https://a.example/\nTarget lab User /x:2 me\nTarget log URL /x:4 https://b.example/\n' ;;
    *) exit 1 ;;
esac
PROGRAM
chmod +x "$dir/mmiotracectl"
PATH=$dir:$PATH
unset DBUS_SYSTEM_BUS_ADDRESS

n=0 failed=0

# same WHAT EXPECTED GOT: sets of words.
same() {
    local expected got
    expected=$(tr ' ' '\n' <<<"$2" | grep . | sort -u)
    got=$(tr ' ' '\n' <<<"$3" | grep . | sort)
    n=$((n + 1))
    if [ "$expected" = "$got" ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        diff <(echo "$expected") <(echo "$got") | sed 's/^/# /'
        failed=1
    fi
}

# offers WORD…: what bash offers for the last of these words.
offers() {
    COMP_WORDS=(mmiotracectl "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _mmiotracectl
    echo "${COMPREPLY[*]-}"
}

# zsh_says VERB: with functions of our own in the place of zsh's, that print what they are given.
zsh_says() {
    zsh -f -c '
        fpath=() first=yes given=$2
        _arguments() {
            if [[ -n $first ]]; then
                first=
                words=($given)
                [[ -z $given ]] && state=verb || state=arguments
                return 1
            fi
            print -rl -- "$@"
        }
        _describe() { print -rl -- "${(@P)4}" }
        source $1
    ' zsh "$zsh_file" "$1" 2>&1
}

# zsh_sessions HOST WORD…: what zsh offers as sessions for these words, HOST being the one in front of the verb.
zsh_sessions() {
    zsh -f -c '
        _arguments() { return 0 }
        _describe() { print -rl -- "${(@P)4}" }
        _call_program() { shift; eval "$@" }
        source $1
        setopt extendedglob
        host=$2 words=("${@:3}")
        _mmiotracectl_sessions
    ' zsh "$zsh_file" "$@" 2>&1 | cut -d: -f1
}

zsh_options() {
    zsh_says "$1" | sed -nE 's/^\([^)]*\)//; s/^\*//; s/^(--?[A-Za-z][A-Za-z-]*).*/\1/p'
}

help=$("$ctl" help)
verbs=$(sed -n '/^Verbs:/,/^$/p' <<<"$help" | grep -oE '^  [a-z]+' | tr -d ' ')
options=$(grep -oE '^ +(-[A-Za-z]|--[a-z-]+)( --[a-z-]+)?' <<<"$help")
same verbs "$verbs" "$(offers '')"
same 'verbs in zsh' "$verbs" "$(zsh_says '' | cut -d: -f1)"

# takes VERB OPTION
takes() {
    local option=$2 value='' arguments=()
    case $1 in
        mark | run) arguments=(true) ;;
        show | export | protect | remove | seal) arguments=(1) ;;
    esac
    case $option in
        # Of every verb; with some of them it would do something.
        -H | --host | -h | --help | --version) return 0 ;;
        --json)          value=short ;;
        --buffer-size)   value=1M ;;
        --expect-events) value=1k ;;
        --keep)          value=newest ;;
        --stop-after)    value=1s ;;
        --driver | --description | --stop-on-mark | --text | --to) value=x ;;
    esac
    # There is no bus, so that it gets no further than this.
    DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent "$ctl" "$1" "$option${value:+=$value}" "${arguments[@]}" >"$dir/said" 2>&1 </dev/null
    ! grep -q 'has no option' "$dir/said"
}

for verb in $verbs; do
    taken=''
    for option in $options; do
        ! takes "$verb" "$option" || taken+=" $option"
    done
    same "options of $verb" "$taken" "$(offers "$verb" -)"
    same "options of $verb in zsh" "$taken" "$(zsh_options "$verb")"
done

same 'a part of a verb' 'start status stop' "$(offers st)"
same 'a verb behind an option with a value' start "$(offers -H host star)"
same 'options in front of the verb' '--json' "$(offers --js)"
same 'value of its own word' short "$(offers list --json sh)"
same 'value behind "="' 'short pretty off' "$(offers list --json =)"
same 'a part of a value behind "="' pretty "$(offers list --json = p)"
same 'a verb behind a value' stop "$(offers --json = short sto)"
for verb in status show describe log export submit protect remove seal; do
    same "sessions for $verb" '1 12' "$(offers "$verb" '')"
done
same 'sessions in zsh' '1 12' "$(zsh_sessions '' status '')"
same 'no sessions of another machine in zsh' '' "$(zsh_sessions lab status '')"
same 'no sessions of another machine behind the verb in zsh' '' "$(zsh_sessions '' status --host=lab '')"
same 'no sessions of another machine' '' "$(offers -H lab status '')"
same 'no sessions of another machine by its long option' '' "$(offers --host = lab remove '')"
same 'no sessions of another machine behind the verb' '' "$(offers show -Hlab '')"
same 'no targets of another machine' '' "$(offers -H lab submit --to '')"
same 'one session only' '' "$(offers status 1 '')"
same 'several to remove' 12 "$(offers remove 1 12)"
same 'an option between' '1 12' "$(offers submit --to lab --yes '')"
same 'yes or no' 'yes no' "$(offers protect 1 '')"
same 'verbs to help with' "$verbs" "$(offers help '')"
same 'verbs to help with in zsh' "$verbs" "$(zsh_says help | sed -n 's/^:verb:(\(.*\))$/\1/p')"
same targets 'lab log' "$(offers submit --to '')"
same drivers "$(find /sys/bus/pci/drivers -mindepth 1 -maxdepth 1 -printf '%f\n' 2>/dev/null | grep -xE '[A-Za-z0-9_-]+'
    sed -n 's/^alias pci:[^ ]* //p' "/lib/modules/$(uname -r)/modules.alias" 2>/dev/null | sort -u)" "$(offers start --driver '')"
touch "$dir/some file"
cd "$dir" || exit 1
same files 'some file' "$(offers export 1 so)"
same 'a command' mmiotracectl "$(offers run --driver x mmiotracectl)"
same 'the options of a command' '' "$(offers run modprobe --)"
same 'the options of a command behind --' '' "$(offers run -- modprobe --)"
same 'files for a command' 'some file' "$(offers run cat so)"
echo "1..$n"
exit "$failed"
