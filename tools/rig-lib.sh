# shellcheck shell=bash disable=SC2154,SC2034
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What rig-quick, rig-full and rig-debian share: options, the initramfs, QEMU and its end. Sourced, with
# $rig set to the name of the caller and $here to the directory of this file; $script, $tree, $release,
# $initramfs and $work are for the caller to use.
#
# The guest has three serial ports, because they need no driver and no mapping that a trace could
# show: ttyS0 is the kernel's console, ttyS1 the script's output, ttyS2 takes its exit status.
# The rig's own failures are 77 (cannot run here), 124 (timeout) and 125 (anything else).

kernel=6.1 cpus=2 memory=1024 append='' out='' timeout=120 verbose='' script=''
qemu_args=() modules=() files=() script_args=() qemu_pid='' tail_pids=()

rig_die() {
    echo "$rig: $1" >&2
    exit "${2:-125}"
}

rig_need() {
    local package=$1 tool
    shift
    for tool; do
        command -v "$tool" >/dev/null || rig_die "$tool is missing, install $package" 77
    done
}

# rig_parse HOOK ARGUMENTS…: HOOK is asked about an option that is not common to both rigs.
rig_parse() {
    local hook=$1 words
    shift
    while [ $# -gt 0 ]; do
        case $1 in
            --help) rig_usage; exit 0 ;;
            --verbose) verbose=yes; shift; continue ;;
            --) shift; break ;;
            --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}"; continue ;;
            -*) [ $# -ge 2 ] || rig_die "option $1 is unknown or lacks its value" ;;
            *) break ;;
        esac
        case $1 in
            --kernel)  kernel=$2 ;;
            --cpus)    cpus=$2 ;;
            --memory)  memory=$2 ;;
            --qemu)    read -ra words <<<"$2"; qemu_args+=("${words[@]}") ;;
            --append)  append+=" $2" ;;
            --module)  modules+=("$2") ;;
            --file)    files+=("$2") ;;
            --out)     out=$2 ;;
            --timeout) timeout=$2 ;;
            *)         "$hook" "$1" "$2" || rig_die "option $1 is unknown" ;;
        esac
        shift 2
    done
    [ $# -gt 0 ] || { rig_usage >&2; exit 125; }
    [ -r "$1" ] || rig_die "cannot read the script $1"
    script=$(cd "$(dirname "$1")" && pwd -P)/$(basename "$1")
    script_args=("${@:2}")
}

# Everything that must not outlive the rig, whatever ends it.
rig_cleanup() {
    local pid
    trap '' INT TERM HUP
    for pid in $qemu_pid "${tail_pids[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    [ -z "$qemu_pid" ] || wait "$qemu_pid" 2>/dev/null || true
    rm -rf "$work"
}

# $work, and nothing that outlives the rig.
rig_begin() {
    rig_need qemu-system-x86 qemu-system-x86_64
    work=$(mktemp -d)
    trap rig_cleanup EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

rig_prepare() {
    rig_begin
    rig_need busybox-static busybox
    rig_need kmod modprobe depmod
    rig_need xz-utils xz
    tree=$("$here/rig-kernel" "$kernel") || {
        [ $? != 77 ] || exit 77
        rig_die "there is no kernel $kernel"
    }
    release=$(basename "$tree"/usr/lib/modules/*)

    initramfs=$work/initramfs
    mkdir -p "$initramfs"/{bin,rig/files,lib/modules/"$release"}
    cp -L "$(command -v busybox)" "$initramfs/bin/busybox"
    cp "$tree/usr/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} \
        "$initramfs/lib/modules/$release/"
    [ -z "$out" ] || rig_share out "$out" off
}

# rig_share TAG DIRECTORY READONLY: a 9p share; commas are doubled because QEMU splits at them.
rig_share() {
    local path
    path=$(cd "$2" && pwd -P) || rig_die "no directory $2"
    # Several host file systems behind one share would otherwise reuse inode numbers.
    qemu_args+=(-fsdev "local,id=$1,path=${path//,/,,},security_model=none,readonly=$3,multidevs=remap"
        -device "virtio-9p-pci,fsdev=$1,mount_tag=$1")
}

# rig_modules NAME…: copy modules with what they depend on; the host's own modprobe
# configuration must not change the answer.
rig_modules() {
    local name verb path rest target
    for name; do
        modprobe -C /dev/null -d "$tree" -S "$release" --show-depends "$name" >"$work/depends" ||
            rig_die "the kernel $release has no module $name"
        while read -r verb path rest; do
            [ "$verb" = insmod ] || continue
            target=$initramfs/lib/modules/$release/${path#*"/modules/$release/"}
            mkdir -p "${target%/*}"
            # Unpacking is much faster here than under emulation.
            case $path in
                *.xz) xz -dc "$path" >"${target%.xz}" ;;
                *)    cp "$path" "$target" ;;
            esac
        done <"$work/depends"
    done
}

# rig_files: put every --file into the staging tree rig/files, links followed, so that a
# library's soname works without the file behind it.
rig_files() {
    local file source target
    for file in "${files[@]}"; do
        source=${file%%:/*} target=/${file#*:/}
        [ "$source" != "$file" ] || target=$(cd "$(dirname "$file")" && pwd -P)/$(basename "$file")
        mkdir -p "$initramfs/rig/files${target%/*}"
        cp -RL --preserve=mode,timestamps "$source" "$initramfs/rig/files$target"
    done
}

# rig_quote WORD…: words for a POSIX shell.
rig_quote() {
    local word
    for word; do
        printf "'%s' " "${word//\'/\'\\\'\'}"
    done
}

# rig_runner COMMAND: write the program that runs COMMAND in the guest. The output goes
# through a pipe, so that no program takes the port for a terminal. The CPUs that were not booted
# (see rig_boot) come first, unless the caller has a say in that (--append maxcpus=2).
rig_runner() {
    cat >"$initramfs/rig/run" <<RUNNER
#!/bin/sh
mkfifo /run/rig-output
stty -F /dev/ttyS1 raw
stty -F /dev/ttyS2 raw
case \$(cat /proc/cmdline) in
    *maxcpus=*maxcpus=*) ;;
    *maxcpus=*) for cpu in /sys/devices/system/cpu/cpu[1-9]*/online; do
            [ ! -e "\$cpu" ] || echo 1 >"\$cpu"
        done ;;
esac
cat </run/rig-output >/dev/ttyS1 &
cat=\$!
$1 </dev/null >/run/rig-output 2>&1
status=\$?
# A process that the script left behind may hold the pipe open for ever.
(sleep 2; kill \$cat) 2>/dev/null &
wait \$cat
echo \$status >/dev/ttyS2
RUNNER
    chmod 755 "$initramfs/rig/run"
}

# rig_boot KERNEL_OPTIONS: pack the initramfs, run QEMU to its end, exit with the status.
rig_boot() {
    depmod -b "$initramfs" "$release"
    (cd "$initramfs" && find . | busybox cpio -o -H newc -R 0:0 2>/dev/null) >"$work/initrd"
    # Only the script gets all CPUs: booting on one is as fast, and much faster on a busy host,
    # where emulated CPUs spend their time waiting for each other.
    rig_machine "$tree/boot/vmlinuz-$release" "$work/initrd" "maxcpus=1 $1$append"
}

# rig_machine KERNEL INITRD KERNEL_OPTIONS: run QEMU to its end, exit with the status.
rig_machine() {
    local status=0 result panic console=$work/console
    touch "$console" "$work/output" "$work/status"

    # The first processor model that systemd and current user space are content with; "max" is
    # not emulated reliably. Without mitigations (useless under emulation) all is faster.
    timeout --kill-after=5 "$timeout" qemu-system-x86_64 \
        -nodefaults -no-user-config -no-reboot -display none -monitor none \
        -machine q35,sata=off,smbus=off -accel tcg,thread=multi,tb-size=256 -cpu qemu64,-svm,+rdrand \
        -smp "$cpus" -m "$memory" \
        -serial "file:$console" -serial "file:$work/output" -serial "file:$work/status" \
        -kernel "$1" -initrd "$2" -append "console=ttyS0 panic=-1 loglevel=7 mitigations=off $3" \
        "${qemu_args[@]}" </dev/null >&2 &
    qemu_pid=$!
    tail -n +1 -s 0.1 -f --pid="$qemu_pid" "$work/output" &
    tail_pids+=($!)
    if [ -n "$verbose" ]; then
        tail -n +1 -s 0.1 -f --pid="$qemu_pid" "$console" >&2 &
        tail_pids+=($!)
    fi
    wait "$qemu_pid" || status=$?
    qemu_pid=''
    wait "${tail_pids[@]}" || true
    tail_pids=()

    result=$(tr -cd 0-9 <"$work/status")
    [ $status = 124 ] || [ $status = 137 ] || [ -z "$result" ] || exit "$result"
    if [ -z "$verbose" ]; then
        echo "$rig: the console's last lines:" >&2
        tail -n 80 "$console" | tr -d '\r' >&2
    fi
    case $status in
        124 | 137) rig_die "timeout: the guest did not end within $timeout seconds" 124 ;;
    esac
    panic=$(grep -ao -m 1 'Kernel panic.*' "$console" | tr -d '\r') || true
    rig_die "the guest ended without an exit status${panic:+: $panic} (QEMU: $status)"
}
