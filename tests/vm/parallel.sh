# SPDX-License-Identifier: MIT
# What ./build.sh bench measures in a guest with two processors and a clock like any other, so on a machine that does nothing else.
# Prints a line for each measurement, as bench.sh and costs.sh do:
#
#   RESULT round job target iops
#   COST name value unit
#
# Jobs "pair-..." are for cowctl and qemu-nbd, each with the same qcow2 image, and for dm-linear, which says what the most is that anything in the
# device-mapper can reach. Jobs "one-..." and "four-..." are the same work done by one process and by four, each of them also on a dm-linear of its own
# right before or after, for the machine is not as fast all the time; linear-again is linear once more, and shows what the others' ratios are worth.
# Needs three and a half times PARALLEL_MIB of memory, and 512 MiB for the rest: COW_MEMORY=6G for what is set here.
# shellcheck shell=bash
set -euo pipefail

PARALLEL_ROUNDS=5 SHARED_ROUNDS=7 SHARED_TARGETS="cow-8 cow-128 bitmap-128 linear-again" PARALLEL_MIB=1024
. /payload/bench.inc
# TablePlanner.DefaultSegments.
DEFAULT_LINES=64
# The disk of the dm-linear that stays.
LINEAR=/dev/ram$FIRST_LAYER
# The limit: this clock goes on while a busy machine lets the guest stand.
# shellcheck disable=SC2034  # bench.inc reads them
BENCH_MIB=$PARALLEL_MIB SECTORS=$((PARALLEL_MIB * 2048)) LIMIT=900
[ "$PARALLEL_MIB" -ge 128 ] || die "PARALLEL_MIB is $PARALLEL_MIB, too little for an eighth of a part of it to be a job: use 128 or more"
[[ " $SHARED_TARGETS " != *" linear "* ]] || die "linear runs with each of SHARED_TARGETS: leave it out, or name linear-again"

# An image on the CoW disk, whose other contents nobody reads.
image() {
    step "making an image"
    dd if=/dev/zero of="$COW" bs=1M count=2 oflag=direct status=none
    qemu-img create -q -f qcow2 -F raw -b "$BASE" "$COW" "${BENCH_MIB}M"
}

# An eighth of what others do, for qemu-nbd takes its time.
pair_jobs() {
    local mib=$((mib / 8))
    job pair-read-unaltered "$1" "$2" randread
    job pair-first-write-random-4k "$1" "$2" randwrite
    dd if=/dev/null of="$2" conv=fsync,notrunc status=none
    job pair-rewrite-random-4k "$1" "$2" randwrite
    job pair-read-remapped "$1" "$2" randread
}

pair() {
    image
    cowctl open b "$COW" --backing-dir /dev >/dev/null
    pair_jobs cowctl /dev/mapper/b
    down qcow2-128
    image
    qemu-nbd --connect=/dev/nbd0 --socket=/run/qemu-nbd.sock --format=qcow2 --cache=none --aio=native "$COW"
    until [ "$(cat /sys/block/nbd0/size)" -gt 0 ]; do sleep 0.1; done
    pair_jobs qemu-nbd /dev/nbd0
    step "detaching qemu-nbd"
    qemu-nbd --disconnect /dev/nbd0 >/dev/null
    while [ -e /sys/block/nbd0/pid ]; do sleep 0.1; done
    up linear
    pair_jobs linear /dev/mapper/b
    down linear
}

# share NAME PROCESSES TARGET DEVICE DIRECTION [fio options]: each does its part of the work.
share() {
    local name=$1 processes=$2 target=$3 device=$4 direction=$5 part=$((mib * 1024 / $2))
    shift 5
    job "$name" "$target" "$device" "$direction" --numjobs="$processes" --size="${part}k" --offset_increment="${part}k" --group_reporting "$@"
}

# share_both NAME PROCESSES TARGET DIRECTION [fio options]: the target and dm-linear, first one and then, in the next round, the other; neither while the
# daemon still commits what the target wrote.
share_both() {
    local name=$1 processes=$2 target=$3
    shift 3
    [ $((turn % 2)) = 0 ] || share "$name" "$processes" linear /dev/mapper/l "$@"
    share "$name" "$processes" "$target" /dev/mapper/b "$@"
    settle
    [ $((turn % 2)) = 1 ] || share "$name" "$processes" linear /dev/mapper/l "$@"
}

shared_jobs() {
    local name=$1 processes=$2 target=$3 options=()
    # As in bench.sh: what is measured is the map, and nothing is to be collapsed meanwhile.
    ! ours "$target" || options=(--segments 1)
    up "$target" "${options[@]}"
    share_both "$name-read-unaltered" "$processes" "$target" randread
    share_both "$name-first-write-random-4k" "$processes" "$target" randwrite
    ! ours "$target" || cowctl compact b >/dev/null
    share_both "$name-rewrite-random-4k" "$processes" "$target" randwrite
    share_both "$name-read-remapped" "$processes" "$target" randread
    down "$target"
    up "$target" "${options[@]}"
    # Over all of the disk: four processes write a quarter of it in a tenth of a second.
    mib=$BENCH_MIB share_both "$name-first-write-sequential-64k" "$processes" "$target" write --bs=64k
    down "$target"
}

# Reads that /dev/mapper/b has served.
reads() { awk '{ print $1 }' "/sys/block/dm-$(dmsetup info -c --noheadings -o minor b)/stat"; }

# pause COMMAND...: what it prints, while somebody reads the device: not before that has begun, which takes fio seconds here.
pause() {
    local reader begun
    begun=$(($(reads) + 1000))
    fio --name=load --filename=/dev/mapper/b --direct=1 --ioengine=libaio --iodepth=4 --rw=randread --bs=4k --size="${mib}M" --time_based --runtime=600 \
        --eta=never --output=/dev/null &
    reader=$!
    until [ "$(reads)" -gt "$begun" ]; do sleep 0.1; done
    "$@"
    kill "$reader"
    wait "$reader" || true
}

compacted() { cowctl compact b --json | jq '.pauseMilliseconds * 1000'; }

# Ten swaps for the table that is there already, by the call that cowctl makes. One swap waits for up to two grace periods of SRCU, each of which is over
# at once or comes with the timer: that is luck, not the table.
swapped() {
    local i
    dmsetup table b >/tmp/table
    for ((i = 0; i < 10; i++)); do
        dmsetup load b /tmp/table
        swap b
    done
}

compacted_and_swapped() { compacted && swapped; }

# How long I/O stands still while a table is swapped: for one of the default number of lines, and for a single linear line.
swaps() {
    # Asked for: runs that are as short as these are not worth a line each.
    up cow-8 --segments "$DEFAULT_LINES"
    # Every other chunk: more runs than there may be lines.
    fio --name=fill --filename=/dev/mapper/b --direct=1 --bs=4k --rw=write:4k --io_size=8M --eta=never --output=/dev/null
    settle
    step "compacting under reads"
    mapfile -t -O ${#ours[@]} ours < <(pause compacted_and_swapped)
    lines=$(dmsetup table b | wc -l)
    # As good as all that it may have.
    [ "$lines" -ge $((DEFAULT_LINES - 4)) ] || die "a table of $lines lines, not of $DEFAULT_LINES"
    down cow-8
    up linear
    step "swapping a linear line under reads"
    mapfile -t -O ${#theirs[@]} theirs < <(pause swapped)
    down linear
    [ "${#ours[@]} ${#theirs[@]}" = "$((round * 11)) $((round * 10))" ] || die "not every swap succeeded"
}

median() { printf '%s\n' "$@" | sort -g | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

modprobe dm-cow
modprobe nbd nbds_max=1
disks
step "filling a disk for dm-linear"
dd if=/dev/zero of="$LINEAR" bs=1M count="$BENCH_MIB" oflag=direct status=none
dmsetup create l --table "0 $SECTORS linear $LINEAR 0"
# Warm, as in bench.sh.
round=warm turn=0 mib=$((PARALLEL_MIB / 16))
for target in $SHARED_TARGETS; do
    echo "parallel: warming up with $target"
    shared_jobs one 1 "$target" >/dev/null
done
echo "parallel: warming up with cowctl and qemu-nbd"
pair >/dev/null
mib=$((PARALLEL_MIB / 4))
ours=() theirs=() lines=0
for round in $(seq 1 "$PARALLEL_ROUNDS"); do
    echo "parallel: round $round of $PARALLEL_ROUNDS, cowctl and qemu-nbd"
    pair
    echo "parallel: round $round of $PARALLEL_ROUNDS, swaps"
    swaps
done
for turn in $(seq 1 "$SHARED_ROUNDS"); do
    for target in $SHARED_TARGETS; do
        echo "parallel: round $turn of $SHARED_ROUNDS, $target"
        round=$turn-$target
        shared_jobs one 1 "$target"
        shared_jobs four 4 "$target"
    done
done
end_step
echo "COST reload-pause-$lines-lines $(median "${ours[@]}") us"
echo "COST reload-pause-linear-line $(median "${theirs[@]}") us"
echo "COST reload-pause-against-linear $(jq -n "$(median "${ours[@]}") / $(median "${theirs[@]}")") times"
