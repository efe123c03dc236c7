# SPDX-License-Identifier: MIT
# What ./build.sh bench measures, inside a guest whose clock counts instructions. Prints a line for each measurement:
#
#   RESULT round job target iops
#
# A round runs every job on every target, so that rounds interleave them. BENCH_ROUNDS, BENCH_MIB and BENCH_TARGETS come through
# the payload file bench.conf. Other lines say how far it is. fio tells the time in milliseconds: a job of 256 MiB takes 400 or more of them.
# shellcheck shell=bash
set -euo pipefail

BENCH_ROUNDS=3
BENCH_TARGETS="linear bare cow-8 cow-128 bitmap-128 qcow2-128 qcow2-sub cow-8-no-grants cow-128-no-grants chain-1 chain-30
    snapshot-8 snapshot-128 thin-128"
. /payload/bench.inc

# Each layer of a chain of N holds every N-th chunk, so that neighbours never lie in the same one.
make_chain() {
    local count=$1 layer first=$((FIRST_LAYER + ($1 > 1))) chunks=$((BENCH_MIB * 16 / $1)) below=()
    for ((layer = 0; layer < count; layer++)); do
        cowctl create l "$BASE" "/dev/ram$((first + layer))" 128 --size "${BENCH_MIB}M" --format bitmap "${below[@]}" >/dev/null
        fio --name=job --filename=/dev/mapper/l --direct=1 --bs=64k --rw="write:$(((count - 1) * 64))k" --offset=$((layer * 64))k \
            --io_size=$((chunks * 64))k --output=/dev/null
        cowctl remove l
        below+=(--layer "/dev/ram$((first + layer))")
    done
}

random_jobs() {
    up "$1"
    read_unaltered "$1"
    job first-write-random-4k "$1" /dev/mapper/b randwrite
    settle
    job rewrite-random-4k "$1" /dev/mapper/b randwrite
    job read-remapped "$1" /dev/mapper/b randread
    down "$1"
}

sequential_jobs() {
    up "$1"
    job first-write-sequential-64k "$1" /dev/mapper/b write --bs=64k
    settle
    case $1 in
    cow-* | bitmap-* | qcow2-*)
        cowctl compact b >/dev/null
        job rewrite-random-4k "$1-collapsed" /dev/mapper/b randwrite
        job read-remapped "$1-collapsed" /dev/mapper/b randread
        ;;
    esac
    down "$1"
}

synced_job() {
    up "$1"
    job first-write-fsync-16 "$1" /dev/mapper/b randwrite --ioengine=psync --iodepth=1 --fsync=16 --io_size=$((mib / 4))M
    down "$1"
}

file_system_job() {
    up "$1"
    mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 /dev/mapper/b
    mkdir -p /tmp/m
    mount /dev/mapper/b /tmp/m
    job ext4-buffered-write "$1" /tmp/m/file write --bs=64k --direct=0 --ioengine=psync --iodepth=1 --end_fsync=1 --size=$((mib / 2))M
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
    job first-write-sequential-64k "$1" /dev/mapper/b write --bs=64k
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
round=warm mib=$((BENCH_MIB / 4))
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
mib=$BENCH_MIB
for round in $(seq 1 "$BENCH_ROUNDS"); do
    for target in $BENCH_TARGETS; do
        echo "bench: round $round of $BENCH_ROUNDS, $target"
        jobs_of "$target"
    done
done
