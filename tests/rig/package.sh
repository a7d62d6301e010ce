#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Are the Debian packages right? Built from a copy of the source, looked through by lintian, and then by dpkg itself in a
# machine under systemd: installed, upgraded, removed and purged, also in the middle of a session, and between the crash
# of a daemon and its restart. DEBS names a folder to keep the packages in; those that are there are not built again.
#
# By name only: it takes five minutes, and longer on a busy machine.

set -euo pipefail
# Read by what is sourced: what is tested here is in the packages.
# shellcheck disable=SC2034
test=package no_stage=yes
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
for tool in jq:jq dpkg-buildpackage:dpkg-dev dh:debhelper lintian:lintian; do
    command -v "${tool%:*}" >/dev/null || die "${tool%:*} is missing, install ${tool#*:}" 77
done
# What is installed outside is there inside, and dpkg knows of it.
! dpkg-query -W -f '${db:Status-Status}\n' mmiotraced mmiotrace-analyze 2>/dev/null | grep -qvx not-installed ||
    die "the packages are installed on this machine, where the rig's is a copy of" 77
failed=0

# The tests of the source have runs of their own.
export DEB_BUILD_OPTIONS=nocheck DEB_BUILD_PROFILES=nocheck

# make_debs FOLDER OPTION…: of the copy, as it is now.
make_debs() {
    local folder=$1 start=$SECONDS
    shift
    (cd "$work/build/source" && dpkg-buildpackage -us -uc -b -J "$@") >"$work/build.log" 2>&1 || {
        tail -n 40 "$work/build.log" >&2
        die "dpkg-buildpackage fails"
    }
    mkdir -p "$folder"
    mv "$work"/build/*.{deb,buildinfo,changes} "$folder"
    echo "# dpkg-buildpackage: $((SECONDS - start)) s"
}

# build FOLDER: two versions below it. The second one differs in its number, and in the default of the settings.
build() {
    dpkg-checkbuilddeps "$here/../../debian/control" || die "build dependencies are missing" 77
    mkdir -p "$work/build/source"
    # No need for git: what dpkg-buildpackage cleans goes anyway.
    tar -C "$here/../.." --exclude-vcs --exclude='./build*' --exclude=./demo-output -cf - . | tar -C "$work/build/source" -xf -
    make_debs "$1/old"
    sed -i '1s/)/+next)/' "$work/build/source/debian/changelog"
    echo '# The next version.' >>"$work/build/source/data/mmiotraced.conf"
    make_debs "$1/new" -nc
    rm -rf "$work/build"
}

# packaged PACKAGE FILE…: that it has them.
packaged() {
    local package=$1 file
    shift
    dpkg-deb --fsys-tarfile "$debs/old/$package"_*.deb | tar -tf - >"$work/files"
    for file; do
        grep -qx "\.$file" "$work/files" || { echo "not ok contents: $package is without $file"; failed=1; }
    done
}

debs=${DEBS:-$work/debs}
[ -d "$debs" ] || build "$debs"
debs=$(cd "$debs" && pwd -P)

# Those of the debug symbols are among them.
lintian --allow-root --fail-on error,warning "$debs"/old/*.changes || { echo "not ok lintian"; failed=1; }
packaged mmiotraced /usr/bin/mmiotracectl /usr/libexec/mmiotraced/mmiotraced /lib/systemd/system/mmiotraced.service \
    /usr/share/man/man1/mmiotracectl.1.gz /usr/share/man/man5/{mmiotrace-archive,mmiotraced.conf,org.freedesktop.MmioTrace}.5.gz \
    /usr/share/man/man8/mmiotraced.8.gz /usr/share/doc/mmiotraced/{README.Debian,copyright}
packaged mmiotrace-analyze /usr/bin/mmiotrace-analyze /usr/share/man/man1/mmiotrace-analyze.1.gz

# dpkg reads the list of files of each package there is, every time, which from the host's disk takes most of the test.
mkdir -p "$work/tree/var/lib/dpkg/info"
cp -p /var/lib/dpkg/info/*.list "$work/tree/var/lib/dpkg/info"
[ $# -gt 0 ] || set -- 6.1
for kernel; do
    status=0 start=$SECONDS
    echo "# $test on $kernel"
    "$tools/rig-full" --kernel "$kernel" --file "$here/inside" --file "$debs:/var/tmp/debs" --overlay "$work/tree" --blacklist e1000e \
        --qemu '-netdev user,id=n0,restrict=on -device e1000e,netdev=n0' --timeout 800 "$here/inside/package.sh" || status=$?
    [ "$status" != 77 ] || exit 77
    echo "# $test on $kernel: status $status after $((SECONDS - start)) s"
    [ "$status" = 0 ] || failed=1
done
exit "$failed"
