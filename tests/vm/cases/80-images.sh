# SPDX-License-Identifier: MIT
# timeout: 1800
# Disk images in place: a qcow2 chain with compressed clusters below, a VMDK, a VHDX, a qcow, a VHD over a VHD. Verified writes while the daemon is killed
# again and again, a clean close, and then QEMU's word: check, and compare with a twin that qemu-nbd wrote.
require_module
[[ $(uname -r) != *-debug ]] || skip "the debug kernel has no nbd"
modprobe nbd nbds_max=1
mkfs.ext4 -q "$EXTRA1"
mkdir -p /img /mnt/fs /run/lock
mount "$EXTRA1" /img
cd /img || fail "no /img"

# The disk below all: 8 MiB that compress, 8 MiB that do not, 16 MiB of nothing.
content_below() {
    { yes "a line of text that compresses well" || true; } | head -c 8M >below.raw
    head -c 8M /payload/random >>below.raw
    truncate -s 32M below.raw
}

granted() { [ "$(status_field "$1" 5)" -gt 0 ]; }
attached() { dmsetup status "$1" | grep -q ' attached '; }
# killer NAME TIMES: of the daemon, which is started again each time.
killer() {
    # A shell in the background draws a seed of its own: told, so that the same kills can be had again.
    local seed=$RANDOM
    echo "$1: kills of seed $seed"
    RANDOM=$seed
    for _ in $(seq 1 "$2"); do
        sleep "0.$((RANDOM % 9 + 1))"
        pkill -9 -x cowctl || true
        setsid cowctl daemon run >>/tmp/daemon.log 2>&1 &
        wait_for 60 attached "$1"
    done
}

# The same bytes each time, which fio's are not: 4 to 256 KiB at random places of three regions, synced now and then.
cat >/tmp/disk.py <<'P'
import mmap, os, random, sys
mode, path = sys.argv[1:]
fd = os.open(path, os.O_RDWR | os.O_DIRECT)
block = mmap.mmap(-1, 256 << 10)
for turn in range(3):
    expected = {}
    dice = random.Random(turn)
    for n in range(24):
        pages = dice.randint(1, 64)
        first = turn * 2048 + dice.randrange(2048 - pages)
        data = dice.randbytes(pages * 4096)
        for i in range(pages):
            expected[first + i] = data[i * 4096:(i + 1) * 4096]
        if mode == "write":
            block[:len(data)] = data
            if os.pwritev(fd, [memoryview(block)[:len(data)]], first * 4096) != len(data):
                sys.exit("a short write")
            if n % 8 == 7:
                os.fsync(fd)
    for page in expected if mode == "check" else ():
        os.preadv(fd, [memoryview(block)[:4096]], page * 4096)
        if block[:4096] != expected[page]:
            sys.exit("page %d is not what was written" % page)
P
writes() { python3 /tmp/disk.py write "$1"; }
reads() { python3 /tmp/disk.py check "$1"; }

# served NAME IMAGE KILLS: opened, read, written under kills, verified, closed.
served() {
    local name=$1 image=$2 kills=$3 before after killer
    qemu-img convert -O raw "${READABLE:-$image}" hash.raw
    before=$(digest <hash.raw)
    rm hash.raw
    cowctl open "$name" "$image"
    after=$(taskset -c 0 dd if="/dev/mapper/$name" bs=1M iflag=direct status=none | digest)
    [ "$before" = "$after" ] || fail "$image reads otherwise through the device"
    # A VHD and a VHDX give no places in advance.
    [[ $image == *.vhd* ]] || wait_for 20 granted "$name"
    killer "$name" "$kills" &
    killer=$!
    while kill -0 $killer 2>/dev/null; do
        writes "/dev/mapper/$name"
    done
    wait $killer
    reads "/dev/mapper/$name"
    expect_fail qemu-io -c 'write 0 4k' "$image"
    cowctl remove "$name"
}

nbd_is_up() { [ "$(cat /sys/block/nbd0/size)" != 0 ]; }
nbd_is_down() { [ ! -e /sys/block/nbd0/pid ]; }
# nbd OPTIONS... IMAGE: /dev/nbd0.
nbd() {
    qemu-nbd --connect=/dev/nbd0 "$@"
    wait_for 30 nbd_is_up
}
no_nbd() {
    qemu-nbd --disconnect /dev/nbd0 >/dev/null
    wait_for 30 nbd_is_down
}
# twin IMAGE: what qemu-nbd makes of the same writes.
twin() {
    nbd --cache=writeback "$@"
    writes /dev/nbd0
    no_nbd
}

content_below

qemu-img convert -c -O qcow2 below.raw bottom.qcow2
qemu-img create -q -f qcow2 -b bottom.qcow2 -F qcow2 middle.qcow2
qemu-io -c 'write -P 7 1M 300k' -c 'write -z 10M 1M' -c 'write -P 9 28M 64k' middle.qcow2 >/dev/null
qemu-img create -q -f qcow2 -b middle.qcow2 -F qcow2 top.qcow2
cp top.qcow2 twin.qcow2
served q top.qcow2 10
qemu-img check top.qcow2
twin twin.qcow2
qemu-img compare top.qcow2 twin.qcow2
note qcow2 "a chain of three, ten kills: checked, and equal to its twin"

# Busy for QEMU the other way round, too.
machine top.qcow2
expect_fail cowctl open q top.qcow2
grep -q "in use" <<<"$OUTPUT" || fail "not the sentence about QEMU: $OUTPUT"
no_machine

# alone FORMAT KILLS: an image that is backed by nothing.
alone() {
    local format=$1 kills=$2
    qemu-img convert -O "$format" below.raw "disk.$format"
    cp "disk.$format" "twin.$format"
    served "$format" "disk.$format" "$kills"
    # QEMU has no check for it.
    [ "$format" = qcow ] || qemu-img check "disk.$format"
    cowctl check "disk.$format"
    twin -f "$format" "twin.$format"
    qemu-img compare -f "$format" -F "$format" "disk.$format" "twin.$format"
    note "$format" "$kills kills: checked, and equal to its twin"
}
alone vmdk 10
alone vhdx 3
alone qcow 3

# What an image has its data in besides its own file is ours as well, also of a daemon that adopted the device.
ended() { ! pgrep -x cowctl >/dev/null; }
# outside IMAGE DATA
outside() {
    local image=$1 data=$2 turn
    cp "$image" "copy-$image"
    machine "$data"
    expect_fail cowctl open o "$image"
    [[ $OUTPUT == *"$data: is in use by a virtual machine"* ]] || fail "not the sentence about QEMU: $OUTPUT"
    no_machine
    cowctl open o "$image"
    for turn in first next; do
        expect_fail qemu-io -f raw -c 'write 0 4k' "$data"
        expect_fail cowctl open copy "copy-$image"
        [[ $OUTPUT == *"$data: is attached to"* ]] || fail "not who has it: $OUTPUT"
        expect_fail cowctl map "$data" --format raw
        [[ $OUTPUT == *"device o uses it"* ]] || fail "not who has it: $OUTPUT"
        [ $turn = first ] || continue
        pkill -9 -x cowctl
        wait_for 20 ended
        setsid cowctl daemon run >>/tmp/daemon.log 2>&1 &
        wait_for 60 attached o
    done
    cowctl remove o
    qemu-io -f raw -c 'write 0 4k' "$data" >/dev/null || fail "a lock is left"
}
qemu-img create -q -f vmdk -o subformat=monolithicFlat flat.vmdk 32M
outside flat.vmdk flat-flat.vmdk
qemu-img create -q -f qcow2 -o data_file=data.raw outside.qcow2 32M
outside outside.qcow2 data.raw
note outside "extents and data files: kept from others"

# QEMU reads no differencing VHD: the twin is raw, and our own converter the reader.
cowctl convert below.raw parent.vhd --source-format raw --format vhd
cowctl create h parent.vhd child.vhd --format vhd --base-format vhd
cowctl remove h
READABLE=below.raw served h child.vhd 10
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
nbd --read-only top.qcow2
mount -o ro,noload /dev/nbd0 /mnt/fs
diff -r /payload/cases /mnt/fs/cases || fail "the files differ under QEMU"
umount /mnt/fs
no_nbd
cd /
# The daemon was started in /img; qemu-nbd closes the image behind its last word.
cowctl daemon stop
wait_for 20 umount /img
