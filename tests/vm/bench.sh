# SPDX-License-Identifier: MIT
# What ./build.sh bench measures, inside a guest whose clock counts instructions. Prints a line for each measurement:
#
#   RESULT round job target iops
#
# A round runs every job on every target, so that rounds interleave them. BENCH_ROUNDS, BENCH_MIB and BENCH_TARGETS come through
# the payload file bench.conf. Other lines say how far it is. fio tells the time in milliseconds: a job takes 200 or more of them where BENCH_MIB is 256.
# shellcheck shell=bash
set -euo pipefail

BENCH_ROUNDS=3
BENCH_TARGETS="linear bare cow-8 cow-128 bitmap-128 qcow2-128 qcow2-sub cow-8-no-grants cow-128-no-grants chain-1 chain-30
    snapshot-8 snapshot-128 thin-128"
. /payload/bench.inc

# make_chain COUNT: layers of format bitmap (BitmapHeader.cs), as cowctl would make them, in a tenth of the time. Each holds every COUNT-th chunk, so that
# neighbours never lie in the same one.
make_chain() {
    local disks
    step "making the layers of chain-$1"
    mapfile -t disks < <(layers "$1")
    python3 - $((BENCH_MIB << 20)) "${disks[@]}" <<'P'
import struct, sys
size, disks = int(sys.argv[1]), sys.argv[2:]
CHUNK, RANDOM = 65536, 64 << 20
chunks = size // CHUNK
table = [0] * 256
for i in range(256):
    table[i] = i
    for _ in range(8):
        table[i] = table[i] >> 1 ^ (table[i] & 1) * 0x82f63b78

def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = table[(crc ^ byte) & 0xff] ^ crc >> 8
    return crc ^ 0xffffffff

below = 0
for at, disk in enumerate(disks):
    header = struct.pack("<8sIIIIQQQ", b"dmcowmap", 1, 0, CHUNK // 512, below, size, CHUNK, at + 1).ljust(508, b"\0")
    header += struct.pack("<I", crc32c(header))
    bits = bytearray((chunks + 4095) // 4096 * 512)
    for chunk in range(at, chunks, len(disks)):
        bits[chunk // 8] |= 1 << chunk % 8
    below = crc32c(header + bits)
    with open(disk, "r+b") as file, open("/payload/random", "rb") as random:
        file.write(header.ljust(4096, b"\0") + bits)
        for chunk in range(at, chunks, len(disks)):
            file.seek((1 + chunk) * CHUNK)
            random.seek(chunk * CHUNK % RANDOM)
            file.write(random.read(CHUNK))
P
}

# With the map in the kernel, and no line to collapse into: when the daemon looks what there is to collapse is chance, and costs a twentieth of a second.
random_jobs() {
    local options=()
    ! ours "$1" || options=(--segments 1)
    up "$1" "${options[@]}"
    read_unaltered "$1"
    job first-write-random-4k "$1" /dev/mapper/b randwrite
    settle
    # So it has looked.
    ! ours "$1" || cowctl compact b >/dev/null
    job rewrite-random-4k "$1" /dev/mapper/b randwrite
    job read-remapped "$1" /dev/mapper/b randread
    down "$1"
}

sequential_jobs() {
    up "$1"
    job first-write-sequential-64k "$1" /dev/mapper/b write --bs=64k --size="$((mib * 2))M"
    settle
    if ours "$1"; then
        cowctl compact b >/dev/null
        job rewrite-random-4k "$1-collapsed" /dev/mapper/b randwrite
        job read-remapped "$1-collapsed" /dev/mapper/b randread
    fi
    down "$1"
}

synced_job() {
    up "$1"
    job first-write-fsync-16 "$1" /dev/mapper/b randwrite --iodepth=1 --fsync=16
    down "$1"
}

file_system_job() {
    up "$1"
    # A discard would take pages away from the disk below, as brd does from 6.12 on, and whoever writes there next would pay for new ones.
    mkfs.ext4 -q -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 /dev/mapper/b
    mkdir -p /tmp/m
    mount /dev/mapper/b /tmp/m
    job ext4-buffered-write "$1" /tmp/m/file write --bs=64k --direct=0 --ioengine=psync --iodepth=1 --end_fsync=1
    umount /tmp/m
    down "$1"
}

layered_reads() {
    up "$1"
    read_unaltered "$1"
    down "$1"
}

# Where every first write asks, nothing else is different.
first_writes() {
    up "$1"
    job first-write-random-4k "$1" /dev/mapper/b randwrite
    down "$1"
    up "$1"
    job first-write-sequential-64k "$1" /dev/mapper/b write --bs=64k --size="$((mib * 2))M"
    down "$1"
    synced_job "$1"
}

all_jobs() {
    random_jobs "$1"
    sequential_jobs "$1"
    synced_job "$1"
    file_system_job "$1"
}

jobs_of() {
    case $1 in
    *-no-grants) first_writes "$1" ;;
    chain-*) layered_reads "$1" ;;
    *) all_jobs "$1" ;;
    esac
}

modprobe dm-cow
modprobe dm-snapshot
modprobe dm-thin-pool
disks
# A bar is on steady state: buffers that grow with the first jobs have grown before anything is measured.
round=warm mib=$((BENCH_MIB / 8))
for target in $BENCH_TARGETS; do
    case $target in
    cow-* | bitmap-* | qcow2-*)
        echo "bench: warming up with $target"
        jobs_of "$target" >/dev/null
        ;;
    chain-*)
        echo "bench: making the layers of $target"
        make_chain "${target#*-}"
        ;;
    esac
done
mib=$((BENCH_MIB / 2))
for round in $(seq 1 "$BENCH_ROUNDS"); do
    for target in $BENCH_TARGETS; do
        echo "bench: round $round of $BENCH_ROUNDS, $target"
        jobs_of "$target"
    done
done
end_step
