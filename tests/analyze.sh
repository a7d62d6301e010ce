#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# analyze.sh ANALYZE DATA_DIR
#
# Runs the built mmiotrace-analyze on the captures in DATA_DIR/samples, and prints TAP.

set -u
export LC_ALL=C

if [ $# -ne 2 ]; then
        echo "usage: $0 ANALYZE DATA_DIR" >&2
        exit 2
fi
analyze=$1
samples=$2/samples
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

n=0
failed=0

# ok WHAT: says whether the command before it succeeded.
ok() {
        if [ $? -eq 0 ]; then
                result=ok
        else
                result='not ok'
                failed=1
                sed 's/^/# /' "$dir/err"
        fi
        n=$((n + 1))
        echo "$result $n - $1"
}

# run STATUS ARGUMENT…: true if the program exits with that status; its output is in out and err.
run() {
        expected=$1
        shift
        "$analyze" "$@" >"$dir/out" 2>"$dir/err"
        status=$?
        [ $status -eq "$expected" ] && return
        echo "exit status $status instead of $expected" >>"$dir/err"
        return 1
}

# same FILE FILE: true if the files are equal to the byte.
same() {
        cmp "$1" "$2" 2>>"$dir/err" >&2
}

# said PATTERN: true if standard error is one line, with that in it.
said() {
        [ "$(wc -l <"$dir/err")" -eq 1 ] && grep -q -e "$1" "$dir/err"
}

for s in e1000e-6.1 e1000e-6.1-lossy e1000e-6.12-stack; do
        mkdir "$dir/$s"
        xz -dc "$samples/$s/cpu0.raw.xz" >"$dir/$s/cpu0.raw" || exit 1
        case $s in
        *-lossy) echo 'CPU:0 [LOST 2852 EVENTS]' ;;
        esac >"$dir/$s/log"
        xz -dc "$samples/$s/kernel-text.log.xz" >>"$dir/$s/log" || exit 1
        {
                echo 'VERSION 20070824'
                # No device has a driver: each line ends with the blank in front of it.
                awk '{ printf "PCIDEV"; for (i = 1; i <= 17; i++) printf " %s", $i; print " " }' \
                        "$samples/$s/pci_devices"
                cat "$dir/$s/log"
        } >"$dir/$s/log-with-head"

        run 0 decode --formats "$samples/$s/formats" "$dir/$s/cpu0.raw" && same "$dir/out" "$dir/$s/log"
        ok "$s is what the kernel printed"
        run 0 decode --formats="$samples/$s/formats" "$dir/$s/cpu0.raw" \
                --pci-devices "$samples/$s/pci_devices" && same "$dir/out" "$dir/$s/log-with-head"
        ok "$s with VERSION and PCIDEV lines"
        run 0 decode "$dir/$s/cpu0.raw" --formats "$samples/$s/formats" -o "$dir/$s/written" &&
                same "$dir/$s/written" "$dir/$s/log" && [ ! -s "$dir/out" ]
        ok "$s into a file"
done

# With everything that the pages hold. The kernel's own text must be in it as it is, line by line.
stack=$samples/e1000e-6.12-stack
raw=$dir/e1000e-6.12-stack/cpu0.raw
xz -dc "$stack/kallsyms-subset.xz" "$2/stacks/kallsyms-e1000e.xz" >"$dir/kallsyms" || exit 1
run 0 decode --verbose --formats "$stack/formats" --kallsyms "$dir/kallsyms" "$raw" &&
        said '^4351 events, none lost, 4348 with a call stack$' &&
        grep -v '^    ' "$dir/out" >"$dir/plain" && same "$dir/plain" "$dir/e1000e-6.12-stack/log"
ok 'verbose has every line of the log'
grep -E '^[A-Z]|^    cpu|\[e1000e\]$' "$dir/out" >"$dir/driver"
head -n "$(wc -l <"$2/stacks/verbose.txt")" "$dir/driver" >"$dir/first" && same "$dir/first" "$2/stacks/verbose.txt"
ok 'verbose names the functions of the driver'
# The innermost frame of an access is its driver's, or a function that the driver called: none of the tracer's.
[ "$(grep -c '^    cpu 0  pid [0-9]*  [0-9]*\.[0-9]\{9\}$' "$dir/out")" -eq 4351 ] &&
        ! grep -qE 'asm_exc_debug|kmmio_die_notifier' "$dir/out" &&
        [ "$(grep -c '^    __ew32+0x[0-9a-f]* \[e1000e\]$' "$dir/out")" -gt 2000 ]
ok 'verbose leaves the frames of the tracer out'
run 0 decode -v --formats "$stack/formats" --modules "$2/stacks/modules" "$raw" &&
        grep -qx '    \.text+0x25ccc \[e1000e\]' "$dir/out" && grep -qx '    0xffffffffbb20138e' "$dir/out"
ok 'verbose with sections only'
run 0 decode -v --formats "$stack/formats" "$raw" && grep -qx '    0xffffffffc022bccc' "$dir/out" &&
        grep -v '^    ' "$dir/out" >"$dir/plain" && same "$dir/plain" "$dir/e1000e-6.12-stack/log"
ok 'verbose without symbols'
run 0 decode -v --formats "$samples/e1000e-6.1/formats" "$dir/e1000e-6.1/cpu0.raw" &&
        said '^4353 events, none lost, 0 with a call stack$'
ok 'verbose without stacks'

good=$dir/e1000e-6.1
formats=$samples/e1000e-6.1/formats

run 0 decode --formats "$formats" "$good/cpu0.raw" && said '^4353 events, none lost$'
ok 'a summary'
run 0 decode --formats "$samples/e1000e-6.1-lossy/formats" "$dir/e1000e-6.1-lossy/cpu0.raw" &&
        said '^1501 events, 2852 lost in 1 gap$'
ok 'a summary with a gap'

echo 'old content, longer than nothing' >"$dir/again"
run 0 decode --formats "$formats" --output="$dir/again" "$good/cpu0.raw" && same "$dir/again" "$good/log"
ok 'an output file is replaced'

# Segments of 12 pages each, in the order of their names.
split -b 49152 -d -a 6 --additional-suffix=.raw "$good/cpu0.raw" "$dir/cpu0-"
run 0 decode --formats "$formats" "$dir"/cpu0-*.raw && same "$dir/out" "$good/log"
ok 'several segments of a CPU'

# The same as a folder, one of them compressed, one in both forms, one with what a cut compression leaves beside it.
mkdir "$dir/folder"
cp "$dir"/cpu0-*.raw "$dir/folder"
xz -0 "$dir/folder/cpu0-000001.raw"
xz -0 -k "$dir/folder/cpu0-000002.raw"
echo junk >"$dir/folder/.#cpu0-000003.raw.xz"
run 0 decode --formats "$formats" "$dir/folder" && said '^4353 events, none lost$' && same "$dir/out" "$good/log"
ok 'a folder of segments in both forms'
run 0 decode --formats "$formats" "$dir"/folder/cpu0-* && same "$dir/out" "$good/log"
ok 'segments in both forms by name'
truncate -s -1000 "$dir/folder/cpu0-000001.raw.xz"
run 0 decode --formats "$formats" "$dir/folder" && said ', 1 damaged file: more is missing$'
ok 'a damaged segment'

# The CPU is that of the name, wherever the file lies.
mkdir "$dir/cpu5"
cp "$dir/e1000e-6.1-lossy/cpu0.raw" "$dir/cpu5/cpu12-000003.raw"
run 0 decode --formats "$formats" "$dir/cpu5/cpu12-000003.raw" &&
        head -n 1 "$dir/out" | grep -qx 'CPU:12 \[LOST 2852 EVENTS\]'
ok 'the CPU of a file name'

mkdir "$dir/torn" "$dir/nothing"
head -c 193000 "$good/cpu0.raw" >"$dir/torn/cpu0.raw"
run 0 decode --formats "$formats" "$dir/torn/cpu0.raw" && said ', 1 torn page$' &&
        lines=$(wc -l <"$dir/out") && [ "$lines" -ge 4000 ] &&
        head -n "$lines" "$good/log" >"$dir/log-torn" && same "$dir/out" "$dir/log-torn"
ok 'a torn last page'

: >"$dir/nothing/cpu0.raw"
run 0 decode --formats "$formats" "$dir/nothing/cpu0.raw" && said '^0 events, none lost$' &&
        [ ! -s "$dir/out" ]
ok 'an empty file'

run 0 --help && grep -q '^mmiotrace-analyze decode ' "$dir/out" && [ ! -s "$dir/err" ]
ok 'help'
run 0 --version && grep -q '^mmiotrace-analyze [0-9]' "$dir/out" && [ ! -s "$dir/err" ]
ok 'version'

# usage WHAT PATTERN ARGUMENT…: wrong usage, said in one line, with nothing on standard output.
usage() {
        what=$1 pattern=$2
        shift 2
        run 2 "$@" && [ ! -s "$dir/out" ] && said "$pattern"
        ok "wrong usage: $what"
}

run 2 && [ ! -s "$dir/out" ] && grep -q '^Exit status' "$dir/err"
ok 'wrong usage: nothing at all'
usage 'unknown verb' '"encode"' encode --formats "$formats" "$good/cpu0.raw"
usage 'no formats' 'needs --formats' decode "$good/cpu0.raw"
usage 'no files' 'at least one raw file' decode --formats "$formats"
usage 'symbols without verbose' 'give --verbose as well' \
        decode --formats "$formats" --kallsyms "$dir/kallsyms" "$good/cpu0.raw"
usage 'unknown option' 'unrecognized option' decode --formats "$formats" --frobnicate "$good/cpu0.raw"
usage 'option without its argument' 'requires an argument' decode "$good/cpu0.raw" --formats
for name in kernel.raw 0.raw cpu.raw cpux.raw xcpu0.raw cpu0.raw.gz cpu0junk.raw cpu-1.raw 'cpu 1.raw'; do
        cp "$good/cpu0.raw" "$dir/$name"
        usage "a file called \"$name\"" 'call it cpuN.raw' decode --formats "$formats" "$dir/$name"
done

# failure WHAT PATTERN ARGUMENT…: failure, said in one line, with nothing on standard output.
failure() {
        what=$1 pattern=$2
        shift 2
        run 1 "$@" && [ ! -s "$dir/out" ] && said "$pattern"
        ok "failure: $what"
}

failure 'missing file' 'cpu9.raw: No such file' decode --formats "$formats" "$good/cpu0.raw" "$dir/cpu9.raw"
failure 'missing file, nothing written' 'cpu9.raw: No such file' \
        decode --formats "$formats" -o "$dir/unwritten" "$dir/cpu9.raw"
[ ! -e "$dir/unwritten" ]
ok 'failure: missing file, no output file made'
failure 'missing formats' 'none: No such file' decode --formats "$dir/none" "$good/cpu0.raw"
mkdir "$dir/empty"
failure 'empty formats' 'empty (header_page.*: No such file' decode --formats "$dir/empty" "$good/cpu0.raw"
cp -r "$formats" "$dir/broken"
echo broken >"$dir/broken/mmiotrace_rw.format"
failure 'broken formats' 'broken (header_page.*: Bad message' decode --formats "$dir/broken" "$good/cpu0.raw"
failure 'missing PCI devices' 'none as a copy.*: No such file' \
        decode --formats "$formats" --pci-devices "$dir/none" "$good/cpu0.raw"
failure 'PCI devices that are none' 'as a copy.*: Bad message' \
        decode --formats "$formats" --pci-devices "$good/log" "$good/cpu0.raw"
failure 'missing symbols' 'cannot use .*/none as copies.*: No such file' \
        decode -v --formats "$formats" --kallsyms "$dir/none" "$good/cpu0.raw"
failure 'symbols that are none' 'cannot use .* and .*: Bad message' \
        decode -v --formats "$formats" --kallsyms "$dir/kallsyms" --modules "$good/log" "$good/cpu0.raw"
echo 'unavailable: the reader was not there' >"$dir/unavailable"
failure 'symbols that the capture did not get' 'hold no addresses' \
        decode -v --formats "$formats" --kallsyms "$dir/unavailable" "$good/cpu0.raw"
failure 'output that cannot be made' 'cannot write .*/none/log' \
        decode --formats "$formats" -o "$dir/none/log" "$good/cpu0.raw"
failure 'full disk' 'No space left' decode --formats "$formats" -o /dev/full "$good/cpu0.raw"
# So little that it is written at the end only.
mkdir "$dir/small"
head -c 4096 "$good/cpu0.raw" >"$dir/small/cpu0.raw"
failure 'full disk, short log' 'No space left' decode --formats "$formats" -o /dev/full "$dir/small/cpu0.raw"
mkdir "$dir/cpu3.raw"
failure 'a folder without segments' 'cpu3.raw: no file there' decode --formats "$formats" "$dir/cpu3.raw"
failure 'a folder as raw file' 'Invalid argument' decode --formats "$formats" "$dir/cpu3.raw" "$good/cpu0.raw"

echo "1..$n"
exit $failed
