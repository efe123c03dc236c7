# SPDX-License-Identifier: MIT
# What ./build.sh bench measures, inside a guest whose clock counts instructions. Prints a line for each measurement:
#
#   RESULT round job target iops
#
# A round runs every job on every target, so that rounds interleave them. BENCH_ROUNDS, BENCH_MIB and BENCH_TARGETS come through
# the payload file bench.conf. Other lines say how far it is.
# shellcheck shell=bash
set -euo pipefail

BENCH_ROUNDS=3 BENCH_MIB=64
BENCH_TARGETS="linear bare cow-8 cow-128 bitmap-128 qcow2-128 qcow2-sub snapshot-8 snapshot-128 thin-128"
[ ! -f /payload/bench.conf ] || . /payload/bench.conf

BASE=/dev/ram0 COW=/dev/ram1 META=/dev/ram2
SECTORS=$((BENCH_MIB * 2048))

die() { echo "bench: $*" >&2; exit 1; }

# Every page of the disks exists before anything is measured.
disks() {
    local disk size=$((BENCH_MIB * 5 / 4 + 32))
    modprobe brd rd_nr=3 rd_size=$((size * 1024)) max_part=0
    for disk in "$BASE" "$COW" "$META"; do
        dd if=/dev/zero of="$disk" bs=1M count=$size oflag=direct status=none
    done
    head -c "${BENCH_MIB}M" /dev/urandom | dd of="$BASE" bs=1M iflag=fullblock oflag=direct status=none
}

# up TARGET: a fresh device of that kind, /dev/mapper/b.
up() {
    local chunk=${1#*-}
    dd if=/dev/zero of="$COW" bs=1M count=2 oflag=direct status=none
    case $1 in
    bare) ln -sfn "$COW" /dev/mapper/b ;;
    linear) dmsetup create b --table "0 $SECTORS linear $COW 0" ;;
    cow-*) cowctl create b "$BASE" "$COW" "$chunk" --size "${BENCH_MIB}M" >/dev/null ;;
    bitmap-*) cowctl create b "$BASE" "$COW" "$chunk" --size "${BENCH_MIB}M" --format bitmap >/dev/null ;;
    qcow2-sub) cowctl create b "$BASE" "$COW" --size "${BENCH_MIB}M" --format qcow2 -o extended_l2=on >/dev/null ;;
    qcow2-*) cowctl create b "$BASE" "$COW" "$chunk" --size "${BENCH_MIB}M" --format qcow2 >/dev/null ;;
    snapshot-*) dmsetup create b --table "0 $SECTORS snapshot $BASE $COW P $chunk" ;;
    thin-*)
        dd if=/dev/zero of="$META" bs=4k count=1 oflag=direct status=none
        dmsetup create pool --table "0 $((SECTORS + 32768)) thin-pool $META $COW $chunk 0 1 skip_block_zeroing"
        dmsetup message pool 0 "create_thin 0"
        dmsetup create b --table "0 $SECTORS thin /dev/mapper/pool 0 $BASE"
        ;;
    *) die "no such target: $1" ;;
    esac
}

down() {
    case $1 in
    bare) rm -f /dev/mapper/b ;;
    cow-* | bitmap-* | qcow2-*) cowctl remove b ;;
    thin-*) dmsetup remove b && dmsetup remove pool ;;
    *) dmsetup remove b ;;
    esac
}

# Without disk_util: fio looks that up in sysfs while it measures, the longer the more disks lie below.
# job NAME TARGET DEVICE DIRECTION [fio options]
job() {
    local name=$1 target=$2 device=$3 direction=$4 iops
    shift 4
    fio --name=job --filename="$device" --direct=1 --ioengine=libaio --iodepth=16 --bs=4k --size="${BENCH_MIB}M" \
        --randrepeat=1 --gtod_reduce=1 --disk_util=0 --rw="$direction" "$@" --output-format=json --output=/tmp/fio.json 2>/tmp/fio.err ||
        { cat /tmp/fio.err /tmp/fio.json; die "$name on $target failed"; }
    iops=$(jq '.jobs[0] | (.read.iops + .write.iops)' /tmp/fio.json)
    echo "RESULT $round $name $target $iops"
}

# What a first write leaves to be done in the background is done.
settle() { dd if=/dev/null of=/dev/mapper/b conv=fsync,notrunc status=none; }

# The unaltered part of every device is what dm-linear makes of the base.
read_unaltered() {
    if [ "$1" = linear ]; then
        dmsetup create r --table "0 $SECTORS linear $BASE 0"
        job read-unaltered linear /dev/mapper/r randread
        dmsetup remove r
    elif [ "$1" = bare ]; then
        job read-unaltered bare "$BASE" randread
    else
        job read-unaltered "$1" /dev/mapper/b randread
    fi
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
    job first-write-fsync-16 "$1" /dev/mapper/b randwrite --ioengine=psync --iodepth=1 --fsync=16 --io_size=$((BENCH_MIB / 4))M
    down "$1"
}

file_system_job() {
    up "$1"
    mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 /dev/mapper/b
    mkdir -p /tmp/m
    mount /dev/mapper/b /tmp/m
    job ext4-buffered-write "$1" /tmp/m/file write --bs=64k --direct=0 --ioengine=psync --iodepth=1 --end_fsync=1 --size=$((BENCH_MIB / 2))M
    umount /tmp/m
    down "$1"
}

targets() {
    local target
    for target in $BENCH_TARGETS; do
        case $target in
        qcow2-*) cowctl create --help | grep -q base-format || continue ;;
        esac
        echo "$target"
    done
}

modprobe dm-cow
modprobe dm-snapshot
modprobe dm-thin-pool
disks
# What the runtime compiles on the way is not what is measured.
round=warm
for target in cow-8 cow-128; do
    echo "bench: warming up with $target"
    random_jobs $target >/dev/null
    synced_job $target >/dev/null
done
for round in $(seq 1 "$BENCH_ROUNDS"); do
    for target in $(targets); do
        echo "bench: round $round of $BENCH_ROUNDS, $target"
        random_jobs "$target"
        sequential_jobs "$target"
        synced_job "$target"
        file_system_job "$target"
    done
done
