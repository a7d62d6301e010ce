# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the tests in the rigs share outside of the machine: sourced, with $test set to the test's name. Sets $here,
# $tools, $work (removed at the end) and $stage, what "meson install" made; the environment variable STAGE names one
# that is there already. A test that sets $no_stage does without.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# For the tests that call a rig themselves.
# shellcheck disable=SC2034
tools=$(cd "$here/../../tools" && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# die WHY [STATUS]
die() {
    echo "$test: $1" >&2
    exit "${2:-1}"
}

stage=${STAGE:-}
if [ -n "${no_stage-}" ]; then
    stage=''
elif [ -z "$stage" ]; then
    command -v meson >/dev/null || die "meson is missing" 77
    stage=$work/stage
    { meson setup "$work/build" "$here/../.." && ninja -C "$work/build" &&
        DESTDIR=$stage meson install -C "$work/build" --no-rebuild; } >"$work/build.log" 2>&1 || {
        tail -n 40 "$work/build.log" >&2
        die "cannot build"
    }
fi
[ -z "$stage" ] || stage=$(cd "$stage" && pwd -P) || die "no directory $STAGE"

# run_inside KERNEL OPTION…: the script inside/TEST.sh in the full rig, with e1000e there but not loaded. Its output
# goes through; its exit status is returned, but for 77, which ends the test.
run_inside() {
    local kernel=$1 status=0 start=$SECONDS
    shift
    echo "# $test on $kernel"
    "$tools/rig-full" --kernel "$kernel" --overlay "$stage" --file "$here/inside" --out "$work" --blacklist e1000e \
        --qemu '-netdev user,id=n0,restrict=on -device e1000e,netdev=n0' --timeout 600 "$@" \
        "$here/inside/$test.sh" || status=$?
    [ "$status" != 77 ] || exit 77
    echo "# $test on $kernel: status $status after $((SECONDS - start)) s"
    return "$status"
}
