#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What is left of a session when the machine goes down? While the test module writes its counter as fast as it can, the
# machine is switched off (QEMU is killed) at a random moment; the next one, with the same disk, panics in the middle of
# the same; the third one finds both. Of each, every value that was written a second before the end has to be in the
# log, once and in order. The machine also has memory that outlives it, for ramoops: what the kernel that panics prints of
# the ring buffer is in there, and has to come to the end of the log. SEED repeats a run.

set -euo pipefail
# Read by what is sourced.
# shellcheck disable=SC2034
test=powercut
# shellcheck source=SCRIPTDIR/outer.sh
. "$(dirname "$0")/outer.sh"
# shellcheck source=SCRIPTDIR/counter.sh
. "$here/counter.sh"
command -v jq >/dev/null || die "jq is missing" 77
command -v mke2fs >/dev/null || die "mke2fs is missing, install e2fsprogs" 77

# run_phase KERNEL PHASE: what it says is in $work/PHASE.out. The host's cache survives QEMU, so nothing that the guest has
# written is lost: only what it has not.
run_phase() {
    echo "$2" >"$work/phase"
    run_kmod "$1" --memory 1536 --timeout 300 \
        --qemu "-drive if=virtio,format=raw,cache=unsafe,file=$work/disk -pidfile $work/qemu.pid" \
        --qemu "-object memory-backend-file,id=store,size=4M,mem-path=$work/store,share=on" \
        --qemu "-device ivshmem-plain,memdev=store,addr=0x1e" >"$work/$2.out" 2>&1
}

n_stamps() {
    grep -c '^stamp .* [1-9]' "$work/cut.out" 2>/dev/null || true
}

# Switches the machine off, once it has written for $1 stamps.
cut_power() {
    until [ "$(n_stamps)" -ge "$1" ]; do
        kill -0 "$rig_pid" 2>/dev/null || return 1
        sleep 0.05
    done
    kill -9 "$(cat "$work/qemu.pid")"
}

# check_values PHASE: every value of a second before the last stamp is there, and no value twice or in disorder. What is
# missing behind that must be at the end, or behind a gap.
check_values() {
    local complaint
    complaint=$(awk -v stamps="$work/$1.out" '
        BEGIN {
            while ((getline line <stamps) > 0)
                if (split(line, word) == 3 && word[1] == "stamp" && word[3] ~ /^[0-9]+\r?$/) {
                    time[n_stamps] = word[2] + 0
                    value[n_stamps++] = word[3] + 0
                }
            for (i = 0; i < n_stamps; i++)
                if (time[i] <= time[n_stamps - 1] - 1)
                    due = value[i]
        }
        # Not every awk reads hexadecimal numbers.
        function number(text, i, v) {
            for (i = 3; i <= length(text); i++)
                v = v * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1
            return v
        }
        $1 == "W" && $2 == 4 {
            if (n < due && $6 != sprintf("0x%x", n)) {
                print "record " NR ": value " $6 " where " sprintf("0x%x", n) " is due"
                exit
            }
            got = number($6)
            if (n > 0 && got <= last) {
                print "record " NR ": value " $6 " after " sprintf("0x%x", last)
                exit
            }
            last = got
            n++
        }
        ($1 == "R" || $1 == "UNKNOWN" || /LOST/) && n < due { print "record " NR ": " $0; exit }
        END {
            if (n < due || due < 10000)
                print n " values, but " due " were written a second before the end"
            else
                print "# " n " values, " due " due of " value[n_stamps - 1] " that were written" >"/dev/stderr"
        }' "$work/$1.log")
    [ -z "$complaint" ] || { not_ok "$1-values" "$complaint"; return; }
    ok "$1-values"
}

# check_archive PHASE
check_archive() {
    unpack "$1" || return 0
    check_values "$1"
    grep -q '^MARK [0-9.]* the beginning$' "$work/$1.log" || not_ok "$1-mark" "there is none"
    [ "$(jq -r '.session.marks[0].text' "$work/$1.json")" = 'the beginning' ] || not_ok "$1-marks" "the metadata has none"
    tar -xJf "$work/$1.tar.xz" -O kernel.log >"$work/$1.kernel"
    grep -q 'mmiotrace: enabled' "$work/$1.kernel" || not_ok "$1-kernel" "it does not tell of the session: $(head -n 3 "$work/$1.kernel")"
}

# What was printed is behind what the trace has, and comes closer to the end: check_values has looked at the order.
check_printed() {
    local n last written
    tar -xJf "$work/$1.tar.xz" -O pstore.txt >"$work/$1.pstore" || { not_ok "$1-pstore" "there is none"; return; }
    # What panicked stands before that, and may have left the kernel's log for it.
    grep -q '^Panic#[0-9]* Part1$' "$work/$1.pstore" || not_ok "$1-pstore-panic" "$(head -n 5 "$work/$1.pstore")"
    n=$(jq -r '.session.printed_events // 0' "$work/$1.json")
    [ "$n" -gt 100 ] || not_ok "$1-printed" "$n records; $(grep -c 'Dumping ftrace' "$work/$1.out") dumps on the console"
    [ "$(sed '0,/^MARK [0-9.]* mmiotraced: the [0-9]* records below were printed by the kernel/d' "$work/$1.log" | wc -l)" = "$n" ] ||
        not_ok "$1-printed-mark" "it is not before the last $n lines"
    last=$(awk '$1 == "W" && $2 == 4 { v = $6 } END { print v }' "$work/$1.log")
    written=$(awk '$1 == "stamp" { v = $3 } END { print v + 0 }' "$work/$1.out")
    [ "$((last))" -ge "$written" ] || not_ok "$1-printed-last" "it ends with $((last)), but $written were written"
    ok "$1-printed ($n records, up to value $((last)); the last stamp is of $written)"
}

seed=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
RANDOM=$seed
echo "# seed $seed"
[ $# -gt 0 ] || set -- 6.1
for kernel; do
    rm -f "$work"/*.{out,log,json,tar.xz} "$work/store"
    truncate -s 1G "$work/disk"
    mke2fs -q -t ext4 "$work/disk"
    run_phase "$kernel" cut &
    rig_pid=$!
    cut_power $((30 + RANDOM % 30)) || { cat "$work/cut.out"; die "the first machine ended by itself"; }
    wait "$rig_pid" || true
    echo $((30 + RANDOM % 30)) >"$work/stamps"
    run_phase "$kernel" panic || true
    grep -q '^stamp ' "$work/panic.out" || { cat "$work/panic.out"; die "the second machine ended too early"; }
    grep -q 'Kernel panic' "$work/panic.out" || { cat "$work/panic.out"; die "the second machine did not panic"; }
    run_phase "$kernel" recover || { cat "$work/recover.out"; not_ok recover "see above"; }
    grep '^#' "$work/recover.out" || true
    check_archive cut
    check_archive panic
    check_printed panic
done
exit "$result"
