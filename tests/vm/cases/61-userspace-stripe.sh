# SPDX-License-Identifier: MIT
# The target "userspace" under a mapping program of its own (tests/vm/stripe.c): two-way striping. What
# was written is on both devices, chunk by chunk in turn, and is found again by the next program.
# timeout: 400
# shellcheck shell=bash

require_module
chunk=64
half=65536
bytes=$((2 * half * 512))

start() {
    dmsetup create s --table "0 $((2 * half)) userspace s $chunk 2 $EXTRA1 $EXTRA2"
    stripe s &
    program=$!
}

finish() {
    dmsetup remove s
    wait $program || fail "the mapping program failed"
}

# Both devices, a chunk of each in turn.
interleaved() {
    python3 - "$EXTRA1" "$EXTRA2" <<'END'
import os, sys
size, half = 64 * 512, 65536 * 512
devices = [open(path, "rb") for path in sys.argv[1:]]
for device in devices:
    os.posix_fadvise(device.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
for chunk in range(half // size):
    for device in devices:
        sys.stdout.buffer.write(device.read(size))
END
}

start
fio --name=stripe --filename=/dev/mapper/s --rw=randwrite --bsrange=4k-192k --direct=1 --ioengine=libaio --iodepth=16 \
    --io_size=48M --verify=crc32c --randseed=61 --fsync=64 --minimal >/dev/null || fail "fio"
dd if=/dev/urandom of=/dev/mapper/s bs=1M count=8 seek=3 conv=fsync,notrunc status=none
contents=$(sha /dev/mapper/s $bytes)
dmsetup status s
read -r placed mode <<<"$(dmsetup status s | awk '{ print $4, $14 }')"
[ "${placed%/*}" -gt 0 ] || fail "no chunk was placed: $placed"
[ "$mode" = rw ] || fail "the device is $mode"
finish
[ "$(interleaved | sha256sum | cut -d' ' -f1)" = "$contents" ] || fail "the devices do not hold the stripes"

# Nothing is kept in the kernel: the next program is asked for everything again.
start
[ "$(sha /dev/mapper/s $bytes)" = "$contents" ] || fail "another program does not find the same"
finish
rmmod dm-cow
