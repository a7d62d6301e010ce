# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the tests with the test module (tests/kmod) share outside of the machine: sourced after outer.sh.

# Read by who sources this.
# shellcheck disable=SC2034
result=0

ok() {
    echo "ok $1"
}

not_ok() {
    echo "not ok $1: $2"
    # shellcheck disable=SC2034
    result=1
}

# run_kmod KERNEL OPTION…: like run_inside, with the module at /opt/kmod and its device.
run_kmod() {
    local kernel=$1 module
    shift
    module=$("$tools/rig-kmod" "$kernel") || exit $?
    run_inside "$kernel" --file "$module:/opt/kmod/mmiotrace-test.ko" \
        --qemu '-object memory-backend-ram,id=shm,size=1M -device ivshmem-plain,memdev=shm' "$@"
}

# unpack NAME: $work/NAME.log and $work/NAME.json of the archive that the test saved.
unpack() {
    [ -s "$work/$1.tar.xz" ] &&
        tar -xJf "$work/$1.tar.xz" -O mmiotrace.log >"$work/$1.log" &&
        tar -xJf "$work/$1.tar.xz" -O metadata.json >"$work/$1.json" && return
    not_ok "$1-archive" "there is none, or it is not complete"
    return 1
}

# loss NAME MEMBER: of the session's metadata.
loss() {
    jq -r ".loss.$2" "$work/$1.json"
}
