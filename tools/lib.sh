# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What tools/demo and tools/check share. Sourced, with $here set to the directory of this file.

source_dir=$(cd "$here/.." && pwd -P)
# apt-get, modprobe and others live there, and a user's PATH may lack it.
PATH=$PATH:/usr/sbin:/sbin

# For those who source this.
# shellcheck disable=SC2034
if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' yellow=$'\e[33m' plain=$'\e[0m'
else
    bold='' dim='' red='' green='' yellow='' plain=''
fi

# say TEXT: one line of progress, with the seconds since the start.
say() {
    printf '%s[%3ds]%s %s\n' "$dim" "$SECONDS" "$plain" "$1"
}

# quietly LOG COMMAND…: the output goes to the log, and comes out only if the command fails.
quietly() {
    local log=$1 status=0
    shift
    "$@" >"$log" 2>&1 </dev/null || status=$?
    [ $status = 0 ] || tail -n 60 "$log" >&2
    return $status
}

# build DIRECTORY MESON_OPTION…: configure once, then build; meson configures again by itself.
build() {
    local dir=$1
    shift
    mkdir -p "$dir"
    if [ ! -f "$dir/build.ninja" ]; then
        quietly "$dir/setup.log" meson setup "$dir" "$source_dir" "$@" || return
    fi
    quietly "$dir/ninja.log" ninja --quiet -C "$dir"
}

# install_stage BUILD: install into BUILD/stage, made anew.
install_stage() {
    rm -rf "$1/stage"
    DESTDIR=$1/stage quietly "$1/install.log" meson install -C "$1" --no-rebuild
}
