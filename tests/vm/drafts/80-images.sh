# SPDX-License-Identifier: MIT
# timeout: 900
# Disk images in place: a qcow2 chain with compressed clusters below, a VMDK, a VHD over a VHD. Verified writes while the daemon is killed ten times,
# a clean close, and then QEMU's word: check, and compare with a twin that qemu-nbd wrote.
require_module
require qemu-img qemu-io qemu-nbd fio jq
modprobe nbd nbds_max=1 || skip "the guest's kernel has no nbd"
mkfs.ext4 -q "$EXTRA1"
mkdir -p /img /mnt/fs /run/lock
mount "$EXTRA1" /img
cd /img || fail "no /img"

# The disk below all: 16 MiB that compress, 16 MiB that do not, 32 MiB of nothing.
content_below() {
    { yes "a line of text that compresses well" || true; } | head -c 16M >below.raw
    head -c 16M /dev/urandom >>below.raw
    truncate -s 64M below.raw
}

killer() {
    for _ in $(seq 1 "$1"); do
        sleep "0.$((RANDOM % 9 + 1))"
        pkill -9 -x cowctl || true
        COWCTL_PINNED=1 setsid cowctl daemon run >>/tmp/daemon.log 2>&1 &
        wait_for 60 cowctl list >/dev/null
    done
    : >/tmp/killed
}

# The same writes for a device of ours, whose daemon is killed meanwhile, and for its twin.
writes() {
    local device=$1 round
    for round in 1 2 3; do
        stamp "$device" $round --offset=$((round * 12))M --size=12M --io_size=2M --bsrange=4k-256k --bs_unaligned=0 --fsync=16
    done
}
reads() {
    local device=$1 round
    for round in 1 2 3; do
        verify "$device" $round --offset=$((round * 12))M --size=12M --io_size=2M --bsrange=4k-256k --bs_unaligned=0 --fsync=16
    done
}

# served NAME IMAGE [options]: opened, read, written under kills, verified, closed.
served() {
    local name=$1 image=$2 before after killer
    shift 2
    qemu-img convert -O raw "${READABLE:-$image}" hash.raw
    before=$(md5sum <hash.raw | cut -d' ' -f1)
    rm hash.raw
    cowctl open "$name" "$image" "$@"
    after=$(dd if="/dev/mapper/$name" bs=1M iflag=direct status=none | md5sum | cut -d' ' -f1)
    [ "$before" = "$after" ] || fail "$image reads otherwise through the device"
    killer 10 &
    killer=$!
    writes "/dev/mapper/$name"
    reads "/dev/mapper/$name"
    wait $killer
    reads "/dev/mapper/$name"
    expect_fail qemu-io -c 'write 0 4k' "$image"
    cowctl remove "$name"
}

# twin IMAGE: what qemu-nbd makes of the same writes.
twin() {
    qemu-nbd --connect=/dev/nbd0 --cache=writeback "$@"
    wait_for 30 blockdev --getsize64 /dev/nbd0 >/dev/null
    wait_for 30 test "$(cat /sys/block/nbd0/size)" != 0
    writes /dev/nbd0
    qemu-nbd --disconnect /dev/nbd0 >/dev/null
    wait_for 30 test ! -e /sys/block/nbd0/pid
}

content_below
RANDOM=3

qemu-img convert -c -O qcow2 below.raw bottom.qcow2
qemu-img create -q -f qcow2 -b bottom.qcow2 -F qcow2 middle.qcow2
qemu-io -c 'write -P 7 1M 300k' -c 'write -z 20M 1M' -c 'write -P 9 40M 64k' middle.qcow2 >/dev/null
qemu-img create -q -f qcow2 -b middle.qcow2 -F qcow2 top.qcow2
cp top.qcow2 twin.qcow2
served q top.qcow2
qemu-img check top.qcow2
twin twin.qcow2
qemu-img compare top.qcow2 twin.qcow2
note qcow2 "a chain of three, ten kills: checked, and equal to its twin"

# Busy for QEMU the other way round, too.
qemu-io -c 'write 0 4k' -c 'sleep 6000' top.qcow2 >/dev/null &
busy=$!
sleep 1
expect_fail cowctl open q top.qcow2
grep -q "in use" <<<"$OUTPUT" || fail "not the sentence about QEMU: $OUTPUT"
wait $busy

qemu-img convert -O vmdk below.raw disk.vmdk
cp disk.vmdk twin.vmdk
served v disk.vmdk
qemu-img check disk.vmdk
twin -f vmdk twin.vmdk
qemu-img compare -f vmdk -F vmdk disk.vmdk twin.vmdk
note vmdk "ten kills: checked, and equal to its twin"

# QEMU reads no differencing VHD: the twin is raw, and our own converter the reader.
cowctl convert below.raw parent.vhd --source-format raw --format vhd
cowctl create h parent.vhd child.vhd --format vhd --base-format vhd
cowctl remove h
READABLE=below.raw served h child.vhd
cp below.raw twin.raw
twin -f raw twin.raw
cowctl check child.vhd
cowctl convert child.vhd child.raw --format raw
cmp child.raw twin.raw || fail "the VHD over a VHD differs from its twin"
note vhd "a child over its parent, ten kills: checked, and equal to its twin"

# A file system on the qcow2 chain, and the same image under QEMU afterwards.
cowctl open f top.qcow2
mkfs.ext4 -q /dev/mapper/f
mount /dev/mapper/f /mnt/fs
cp -r /payload/guest /payload/cases /mnt/fs/
umount /mnt/fs
cowctl remove f
qemu-img check top.qcow2
qemu-nbd --connect=/dev/nbd0 --read-only top.qcow2
wait_for 30 test "$(cat /sys/block/nbd0/size)" != 0
mount -o ro,noload /dev/nbd0 /mnt/fs
diff -r /payload/cases /mnt/fs/cases || fail "the files differ under QEMU"
umount /mnt/fs
qemu-nbd --disconnect /dev/nbd0 >/dev/null
cd /
umount /img
