# SPDX-License-Identifier: MIT
# What nobody has committed outlives its table, bound to the very devices that it lies on: the same number with another
# medium behind it is refused. Only ABANDON ends it. And a device whose last chunk is cut off keeps its size.
# timeout: 100
# shellcheck shell=bash
require_module
modprobe loop
loop=$(losetup -f --show "$COW_DISK")

# orphan.py serve: gives the first write its place, commits nothing, and leaves. orphan.py abandon: gives up what is there.
cat >/tmp/orphan.py <<'P'
import fcntl, os, struct, subprocess, sys
EVENT, REPLY = struct.Struct("<IIQQQQQIIQ"), struct.Struct("<IIQQQQQQIIII")
WRITE_FAULT, PLACED, FLUSH, PICTURE_END = 1, 4, 6, 8
KNOWN, PLACE, ABANDON, FILL_COPY, COW = 2, 3, 9, 1, 1
channel = os.open("/dev/dm-cow", os.O_RDWR)
attach = bytearray(struct.pack("<IIII64x128s", 2, EVENT.size, REPLY.size, 0, b"x"))
fcntl.ioctl(channel, 3 << 30 | len(attach) << 16 | 0xdc << 8 | 1, attach)
generation, = struct.unpack_from("<I", attach, 28)
def reply(op, fill=0, fault=0, chunk=0, count=0, sector=0, device=0):
    os.write(channel, REPLY.pack(op, fill, fault, chunk, count, sector, 0, chunk * 8 if fill else 0, device, 0, 0, generation))
def wait_for(wanted):
    event = None
    while not event or event[0] != wanted:
        event = EVENT.unpack(os.read(channel, EVENT.size))
    return event
if sys.argv[1] == "abandon":
    wait_for(PICTURE_END)
    reply(ABANDON)
else:
    reply(KNOWN, count=256)
    wait_for(PICTURE_END)
    _, _, fault, chunk, count, *_ = wait_for(WRITE_FAULT)
    reply(PLACE, FILL_COPY, fault, chunk, count, 1024, COW)
    # Nobody waits for that, and nothing else happens: all the same it is told.
    wait_for(PLACED)
    # Message commit: nobody else has asked for one, and this one is told it.
    subprocess.run(["dmsetup", "message", "x", "0", "commit"], check=True)
    wait_for(FLUSH)
P
table="0 2048 cow x $BASE_DISK $loop 8"
dmsetup create x --table "$table"
timeout 50 python3 /tmp/orphan.py serve &
server=$!
timeout 50 dd if=/dev/urandom of=/dev/mapper/x bs=4k count=1 oflag=direct status=none || fail "the write is not served"
wait $server || fail "orphan.py"
[ "$(status_field x 2)" = 1 ] || fail "not one uncommitted chunk: $(dmsetup status x)"
dmsetup remove x
expect_fail rmmod dm-cow

losetup -d "$loop"
losetup "$loop" "$EXTRA1"
expect_fail dmsetup create x --table "$table"
dmesg | grep -q 'uncommitted data on other devices' || fail "the kernel does not say why"
! dmsetup info x >/dev/null 2>&1 || fail "a device stays behind"
timeout 50 python3 /tmp/orphan.py abandon || fail "it cannot be abandoned"
dmsetup create x --table "$table" || fail "nothing is left, and yet it is refused"
dmsetup remove x
losetup -d "$loop"

# A device that ends inside a chunk does not grow while its context lives: nobody would fill the rest of the last place.
dmsetup create cut --table "0 1000 cow cut $BASE_DISK $COW_DISK 128"
expect_fail dmsetup load cut --table "0 2048 cow cut $BASE_DISK $COW_DISK 128"
dmesg | grep -q 'Ident ends inside a chunk and cannot grow' || fail "the kernel does not say why"
dmsetup load cut --table "0 1000 cow cut $BASE_DISK $COW_DISK 128"
dmsetup remove cut
rmmod dm-cow
