# SPDX-License-Identifier: MIT
# Sourced: how a guest is started. Needs $work, a directory that "prepare_guest" fills.
# shellcheck shell=bash

# Drive order is the contract with cases and documentation: base is /dev/vdb, the CoW device /dev/vdc.
DATA_DISKS=(base:256M cow:512M extra1:512M extra2:512M log:2G)

prepare_guest() {
    local kernel=$1 disk
    shift
    need_packages qemu-system-x86
    # What was killed together with its runner.
    find "$CACHE" -maxdepth 1 \( -name 'guest.*' -o -name 'new.*' \) -mmin +1440 -exec rm -rf {} +
    "$VM/payload" "$kernel" "$work" "$@"
    for disk in "${DATA_DISKS[@]}"; do
        truncate -s "${disk#*:}" "$work/${disk%:*}.raw"
    done
}

# A guest that was killed leaves data behind: every boot starts from zeros.
blank_disks() {
    local disk
    for disk in "${DATA_DISKS[@]}"; do
        truncate -s 0 "$work/${disk%:*}.raw"
        truncate -s "${disk#*:}" "$work/${disk%:*}.raw"
    done
}

drive() {
    local id=$1 options=$2
    QEMU+=(-drive "if=none,id=$id,format=raw,cache=unsafe,$options" -device "virtio-blk-pci,drive=$id,serial=$id")
}

# qemu_command KERNEL "COMMAND LINE": leaves the command in the array QEMU; the caller adds its serial
# ports (console, results, output of the case).
qemu_command() {
    local kernel=$1 append=$2 disk cpu=max,-erms,-la57
    QEMU=(qemu-system-x86_64 -M q35 -display none -no-reboot -nic none
        -kernel "$("$VM/kernels" "$kernel" vmlinuz)" -initrd "$work/initramfs"
        -append "console=ttyS0 panic=-1 quiet log_buf_len=4M no_timer_check $append")
    if [ -n "${COW_ICOUNT:-}" ]; then
        # Guest time counts instructions: figures that repeat on a loaded machine (design.md, section 10).
        QEMU+=(-cpu max -accel "tcg,thread=single" -icount "shift=1,sleep=off" -smp 1 -m "${COW_MEMORY:-2G}")
    else
        # Emulated, "rep movsb" goes byte by byte: without ERMS the kernel clears and copies in words, a third faster. A fifth level of page
        # tables and SMAP cost a quarter; the debug kernel, which looks for such mistakes, has SMAP.
        [ "$kernel" = debug ] || cpu+=,-smap
        QEMU+=(-cpu "$cpu" -accel "tcg,thread=multi" -smp "${COW_CPUS:-2}" -m "${COW_MEMORY:-2G}")
    fi
    drive root "snapshot=on,file=$("$VM/image")"
    for disk in "${DATA_DISKS[@]}"; do
        drive "${disk%:*}" "discard=unmap,file=$work/${disk%:*}.raw"
    done
    drive payload "readonly=on,file=$work/payload.ext4"
}
