# SPDX-License-Identifier: MIT
# What ./build.sh bench measures beside operations a second, inside the same kind of guest. Prints a line for each figure:
#
#   COST name value unit
#
# Times are those of a clock that counts instructions, two nanoseconds each.
# shellcheck shell=bash
set -euo pipefail

COSTS_CHUNKS=1000000 # of the maps that are weighed
COSTS_DEVICES=1000
. /payload/bench.inc

cost() {
    [ -n "$2" ] || die "$1 was not measured"
    echo "COST $1 $2 $3"
}
now() { echo "${EPOCHREALTIME/./}"; }
daemon() { pgrep -f 'cowctl daemon run' | head -n 1; }
resident() { awk '/^VmRSS/ { print $2 * 1024 }' "/proc/$(daemon)/status"; }
placed() { dmsetup status "$1" | awk '{ split($4, a, "/"); print a[1] }'; }
kernel_bytes() { dmsetup status "$1" | awk '{ print $NF }'; }

# latency NAME DEVICE OPTIONS...: mean microseconds of one write at a time.
latency() {
    local device=$1
    shift
    fio --name=job --filename="$device" --direct=1 --ioengine=psync --disk_util=0 --randrepeat=1 --output-format=json --output=/tmp/fio.json "$@" >/dev/null
    jq '.jobs[0].write.clat_ns.mean / 1000' /tmp/fio.json
}

# A write of a whole chunk copies nothing: what it takes more the first time, where nothing is granted, is the round trip.
round_trip() {
    local first again
    step "round trips"
    dd if=/dev/zero of=/dev/ram1 bs=1M count=2 oflag=direct status=none
    cowctl create c /dev/ram0 /dev/ram1 8 --no-grants >/dev/null
    # The first half is for the runtime to compile what it needs.
    latency /dev/mapper/c --rw=randwrite --bs=4k --size=16M >/dev/null
    first=$(latency /dev/mapper/c --rw=randwrite --bs=4k --offset=32M --size=16M)
    dd if=/dev/null of=/dev/mapper/c conv=fsync,notrunc status=none
    again=$(latency /dev/mapper/c --rw=randwrite --bs=4k --offset=32M --size=16M)
    cost fault-round-trip "$(jq -n "$first - $again")" us
    cowctl remove c
}

# The daemon stands still for 100 ms in the middle of first writes, one at a time: places that it gave before are to last so long.
paused() {
    local writer daemon before taken
    step "first writes while the daemon is paused"
    dd if=/dev/zero of=/dev/ram1 bs=1M count=2 oflag=direct status=none
    cowctl create c /dev/ram0 /dev/ram1 8 >/dev/null
    latency /dev/mapper/c --rw=randwrite --bs=4k --size=2M >/dev/null
    daemon=$(daemon) before=$(placed c)
    latency /dev/mapper/c --rw=randwrite --bs=4k --offset=32M --size=32M >/dev/null &
    writer=$!
    until [ "$(placed c)" -gt "$before" ]; do sleep 0.01; done
    kill -STOP "$daemon"
    before=$(placed c)
    sleep 0.1
    [ "$(placed c)" -gt "$before" ] || die "nothing was written while the daemon was paused"
    kill -0 $writer || die "the writer ended before the pause did"
    kill -CONT "$daemon"
    wait $writer
    taken=$(jq '.jobs[0].write.clat_ns | [.percentile["99.000000"], .max] | map(. / 1000 | tostring) | join(" ")' -r /tmp/fio.json)
    cost first-write-daemon-paused-p99 "${taken% *}" us
    cost first-write-daemon-paused-max "${taken#* }" us
    cowctl remove c
}

# A device of N lines: how long an fsync takes (every line gets a flush), and how long the swap of its table. On a disk with a write cache: brd
# has none, and is never flushed.
lines() {
    local count=$1 sectors=8
    step "a table of $count lines"
    seq 0 $((count - 1)) | awk -v s=$sectors '{ print $1 * s, s, "linear /dev/vdb", ($1 % 2 ? $1 - 1 : $1 + 1) * s }' >/tmp/table
    dmsetup create l /tmp/table
    fio --name=job --filename=/dev/mapper/l --direct=1 --ioengine=psync --disk_util=0 --rw=write --bs=4k --size=$((sectors * 512)) --io_size=64k --fsync=1 \
        --output-format=json --output=/tmp/fio.json >/dev/null
    cost "fsync-$count-lines" "$(jq '.jobs[0].sync.lat_ns.mean / 1000' /tmp/fio.json)" us
    dmsetup load l /tmp/table
    cost "swap-$count-lines" "$(swap l)" us
    dmsetup remove l
}

# store OUT STEP SHUFFLE: a dm-snapshot store of COSTS_CHUNKS exceptions, every STEP-th chunk, its places in another order where asked.
store() {
    python3 - "$@" $COSTS_CHUNKS <<'P'
import struct, sys
out, step, factor, size = sys.argv[1], *map(int, sys.argv[2:5])
CHUNK, PER = 4096, 256
with open(out, "wb") as f:
    f.write(struct.pack("<IIII", 0x70416e53, 1, 1, 8))
    areas = size // PER + 1
    places = (chunk for chunk in range(2, 2 + size + areas + 1) if (chunk - 1) % (PER + 1))
    places = [next(places) for _ in range(size)]
    for area in range(areas):
        f.seek((1 + area * (PER + 1)) * CHUNK)
        first = area * PER
        f.write(b"".join(struct.pack("<QQ", i * step, places[i * factor % size]) for i in range(first, min(size, first + PER))))
    f.truncate((2 + size + areas + 1) * CHUNK)
P
}

# weigh NAME STEP FACTOR BASE: bytes for each chunk of such a store, in the kernel and in the daemon.
weigh() {
    local before store=/mnt/store-$1
    step "a store of $COSTS_CHUNKS chunks, $1"
    store "$store" "$2" "$3"
    before=$(resident)
    cowctl create w "$4" "$store" 8 >/dev/null
    [ "$(placed w)" = $COSTS_CHUNKS ] || die "$1: $(dmsetup status w)"
    cost "kernel-bytes-a-chunk-$1" "$(jq -n "$(kernel_bytes w) / $COSTS_CHUNKS")" bytes
    cost "daemon-bytes-a-chunk-$1" "$(jq -n "($(resident) - $before) / $COSTS_CHUNKS")" bytes
    cowctl remove w
    rm "$store"
}

maps() {
    mkdir -p /mnt
    mkfs.ext4 -qF /dev/vdd
    mount /dev/vdd /mnt
    truncate -s $((COSTS_CHUNKS * 4096)) /mnt/dense
    truncate -s $((COSTS_CHUNKS * 4096 * 256)) /mnt/scattered
    # The first one pays for what all of them share.
    weigh warm 1 1 /mnt/dense >/dev/null
    weigh dense 1 1 /mnt/dense
    weigh scattered 256 7919 /mnt/scattered
    umount /mnt
}

# create FIRST LAST: asks the daemon as cowctl does, without the starts of so many of them. Prints microseconds for each.
create() {
    python3 - "$1" "$2" <<'P'
import socket, sys, time
first, last = map(int, sys.argv[1:])
daemon = socket.socket(socket.AF_UNIX)
daemon.connect("/run/dm-cow/daemon.sock")
line = daemon.makefile("rw")
begun = time.monotonic()
for i in range(first, last + 1):
    line.write('{"verb":"create","create":{"name":"d%d","base":"/mnt/base","cow":"/mnt/d%d","layers":[],"noSpace":"Wait"}}\n' % (i, i))
    line.flush()
    answer = line.readline()
    if '"error"' in answer:
        sys.exit(answer)
print((time.monotonic() - begun) * 1e6 / (last + 1 - first))
P
}

# Small devices side by side, their files and what the daemon remembers of them on a disk in memory: a wait for a disk would make the clock jump. Nothing of
# it is taken away again.
many() {
    local count=$1 begun before
    step "the first devices of $count"
    modprobe -r brd
    modprobe brd rd_nr=1 rd_size=$((2 << 20)) max_part=0
    mkfs.ext4 -qF /dev/ram0
    mkdir -p /mnt
    mount /dev/ram0 /mnt
    mkdir -p /mnt/lib /var/lib/dm-cow
    mount --bind /mnt/lib /var/lib/dm-cow
    truncate -s 16M /mnt/base
    cowctl daemon stop
    cowctl create d0 /mnt/base /mnt/d0 >/dev/null
    # Of one that is not, only a part may be resident.
    [ "$(cowctl daemon status --json | jq .pinned)" = true ] || die "the daemon is not pinned"
    before=$(resident)
    cost daemon-resident-1-device "$before" bytes
    begun=$(now)
    cowctl create d1 /mnt/base /mnt/d1 >/dev/null
    cost create-with-cowctl $(($(now) - begun)) us
    # As in all that is measured here: what happens only at first is not.
    create 2 50 >/dev/null
    cost create-device-100 "$(create 51 100)" us
    step "all but the last devices of $count"
    create 101 $((count - 50)) >/dev/null
    step "the last devices of $count"
    cost "create-device-$count" "$(create $((count - 49)) "$count")" us
    cost daemon-bytes-a-further-device $((($(resident) - before) / count)) bytes
}

modprobe dm-cow
modprobe brd rd_nr=2 rd_size=$((96 * 1024)) max_part=0
for disk in /dev/ram0 /dev/ram1; do dd if=/dev/zero of=$disk bs=1M count=96 oflag=direct status=none; done
for count in 1 16 128 1024 8192; do lines $count; done
round_trip
paused
maps
many "$COSTS_DEVICES"
end_step
