# SPDX-License-Identifier: MIT
# What a case may use. A case is a bash script under -Eeuo pipefail; it passes when its last line has
# been reached, the guest could be cleaned up and the kernel log shows no splat. It may scribble over
# $BASE_DISK (256 MiB), $COW_DISK, $EXTRA1, $EXTRA2 (512 MiB each) and $LOG_DISK (2 GiB).
# A comment line "# timeout: N" sets its limit in seconds (300 otherwise).
# shellcheck shell=bash

# fail MESSAGE: the verdict, from wherever it is called (also from a subshell).
fail() {
    echo "$*" >"$CASE_STATE/reason"
    touch "$CASE_STATE/failed"
    echo "FAIL: $*" >&2
    exit 1
}

# skip MESSAGE: this guest cannot run the case, and why. Kernels and tools are the harness's own: where one lacks something, the case fails.
skip() {
    echo "$*" >"$CASE_STATE/reason"
    exit 77
}

# require_module: loads dm-cow, which tests/vm/module has built.
require_module() { modprobe dm-cow || fail "dm-cow does not load"; }

# expect_fail COMMAND...: the command must fail; what it prints is kept in $OUTPUT.
expect_fail() {
    if OUTPUT=$("$@" 2>&1); then
        fail "succeeded, but must not: $*"
    fi
    echo "refused as expected: $*: $OUTPUT"
}

# sha DEVICE [BYTES]: SHA-256 of what the device holds, past every cache.
sha() {
    local device=$1 bytes=${2:-}
    blockdev --flushbufs "$device" 2>/dev/null || true
    dd if="$device" bs=1M iflag=direct,count_bytes ${bytes:+count="$bytes"} status=none | sha256sum | cut -d' ' -f1
}

# note KEY VALUE: a figure for the report.
note() { echo "NOTE $CASE $1 $2" >/dev/ttyS1; }

# wait_for SECONDS COMMAND...: polls until the command succeeds.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $deadline ] || fail "still not true: $*"
        sleep 0.1
    done
}

# Cases that read everything again and again use the first 64 MiB of the base, or less: create takes --size 64M.
SECTORS=131072
# random_base: fills them.
random_base() { dd if=/payload/random of="$BASE_DISK" bs=1M oflag=direct status=none; }

# digest: of what comes through a pipe; quick rather than strong, for the guest's processor is emulated. On one processor: to wake the other
# for each page of a pipe takes a turn of the host's scheduler.
digest() { taskset -c 0 xxhsum -H1 - | cut -d' ' -f1; }

# one_processor: until the case ends.
one_processor() {
    local cpu
    for cpu in /sys/devices/system/cpu/cpu[1-9]*/online; do echo 0 >"$cpu"; done
}

# content DEVICE: a digest of them.
content() {
    blockdev --flushbufs "$1"
    taskset -c 0 dd if="$1" bs=1M iflag=direct count=$((SECTORS / 2048)) status=none | digest
}

# blank DEVICE [MIB]: zeros at its head, so that no store and no signature is found there.
blank() { dd if=/dev/zero of="$1" bs=1M count="${2:-4}" oflag=direct status=none; }

# stock NAME MODE CHUNK: the kernel's own snapshot target over the base and the CoW disk.
stock() { dmsetup create "$1" --table "0 $SECTORS snapshot $BASE_DISK $COW_DISK $2 $3"; }

# stamp DEVICE SEED [fio options]: random writes with checksums; verify DEVICE SEED with the same
# options finds them again, also after the device was closed and made anew.
stamp() {
    local device=$1 seed=$2
    shift 2
    fio --name=stamp --filename="$device" --rw=randwrite --bs=4k --direct=1 --ioengine=libaio --iodepth=16 \
        --verify=crc32c --do_verify=0 --randseed="$seed" --end_fsync=1 --minimal "$@" >/tmp/fio.out 2>&1 ||
        { cat /tmp/fio.out; fail "fio cannot write $device"; }
}
verify() {
    local device=$1 seed=$2
    shift 2
    fio --name=stamp --filename="$device" --rw=randwrite --bs=4k --direct=1 --ioengine=libaio --iodepth=16 \
        --verify=crc32c --verify_only=1 --randseed="$seed" --minimal "$@" >/tmp/fio.out 2>&1 ||
        { cat /tmp/fio.out; fail "fio does not find again what it wrote to $device"; }
}

# daemon_pid: process id of cowctl's daemon, nothing when it is not running.
daemon_pid() { pgrep -f 'cowctl daemon run' | head -n 1 || true; }

# locked FILE: a machine has it open, or we have.
locked() {
    local node inode
    read -r node inode <<<"$(stat -Lc '%d %i' "$1")"
    grep -q "$(printf '%02x:%02x:%d ' $((node >> 8)) $((node & 255)) "$inode")" /proc/locks
}
unlocked() { ! locked "$1"; }
# machine FILE: one that has it open for writing, as qemu-io has it, until no_machine.
machine() {
    wait_for 10 unlocked "$1"
    qemu-io -f raw -c 'sleep 100000' "$1" >/dev/null &
    machine=$!
    wait_for 20 locked "$1"
}
no_machine() {
    kill "$machine"
    wait "$machine" || true
}

# status_field NAME N: the Nth word behind "cow" in the status of its first cow line.
status_field() { dmsetup status "$1" | awk -v n="$2" '$3 == "cow" { print $(3 + n); exit }'; }
