# SPDX-License-Identifier: MIT
# timeout: 600
# A base that ends before its image, inside a chunk: behind its end are zeros, to whoever reads there, in what is copied around a first write, and for QEMU.
require_module
random_base
end=$(((33 << 11) + 1))
dmsetup create base --table "0 $end linear $BASE_DISK 0"
head -c $((end * 512)) /payload/random >/tmp/base
truncate -s 64M /tmp/base
head -c 2K /dev/urandom >/tmp/data
# The last sector that the base has and the first that it has not; then what lies in the same chunk, and in a later one.
spots=($((end - 1)) $((end + 9)) $((56 << 11)))

same() { cmp -n $((64 << 20)) "$1" /dev/mapper/x || fail "$2"; }
# put DEVICE SECTOR SECTORS
put() { dd if=/tmp/data of="$1" bs=512 seek="$2" count="$3" conv=notrunc status=none "${@:4}"; }
# reads_and_copies SECTOR: x over the base, before and after a write there.
reads_and_copies() {
    same /tmp/base "what nobody wrote does not read as the base with zeros behind it"
    cp /tmp/base /tmp/expected
    put /tmp/expected "$1" 2
    put /dev/mapper/x "$1" 2 oflag=direct,sync
    same /tmp/expected "sector $1: not what was copied around the end of the base"
}

# In the kernel alone: a controller that says no more than where the base begins, and has all copied from there.
cat >/tmp/controller.py <<'P'
import fcntl, os, struct
EVENT, REPLY = struct.Struct("<IIQQQQQIIQ"), struct.Struct("<IIQQQQQQIIII")
WRITE_FAULT, FLUSH, GONE = 1, 6, 7
KNOWN, PLACE, FLUSHED, FILL_COPY, BASE, COW, CHUNK = 2, 3, 7, 1, 0, 1, 128
channel = os.open("/dev/dm-cow", os.O_RDWR)
attach = bytearray(struct.pack("<IIII64x128s", 2, EVENT.size, REPLY.size, 0, b"x"))
fcntl.ioctl(channel, 3 << 30 | len(attach) << 16 | 0xdc << 8 | 1, attach)
generation, = struct.unpack_from("<I", attach, 28)
def reply(*fields):
    os.write(channel, REPLY.pack(*fields, generation))
reply(KNOWN, 0, 0, 0, 1024, 0, 0, 0, BASE, 0, 0)
kind = None
while kind != GONE:
    kind, _, fault, chunk, count, number, *_ = EVENT.unpack(os.read(channel, EVENT.size))
    if kind == WRITE_FAULT:
        reply(PLACE, FILL_COPY, fault, chunk, count, chunk * CHUNK, 0, chunk * CHUNK, COW, BASE, 0)
    elif kind in (FLUSH, GONE):
        reply(FLUSHED, 0, 0, 0, 0, 0, number, 0, 0, 0, 0)
P
for at in "${spots[@]}"; do
    # What a place holds that nothing was copied to is no zeros.
    dd if=/payload/random of="$COW_DISK" bs=1M oflag=direct status=none
    dmsetup create x --table "0 $SECTORS cow x /dev/mapper/base $COW_DISK 128"
    python3 /tmp/controller.py &
    controller=$!
    reads_and_copies "$at"
    dmsetup remove x
    wait $controller || fail "the controller failed"
done

# The same in an image, whose format knows where its base ends.
for at in "${spots[@]}"; do
    dd if=/payload/random of="$COW_DISK" bs=1M oflag=direct status=none
    qemu-img create -q -f qcow2 -F raw -b /dev/mapper/base "$COW_DISK" 64M
    cowctl open x "$COW_DISK" --backing-dir /dev --force
    reads_and_copies "$at"
    cowctl remove x
    qemu-img check -q -f qcow2 "$COW_DISK"
    qemu-img compare -q -f raw -F qcow2 /tmp/expected "$COW_DISK" || fail "sector $at: QEMU reads the image otherwise"
done
dmsetup remove base
