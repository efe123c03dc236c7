# SPDX-License-Identifier: MIT
# A qcow2 on a block device, over a base that is one: opened in place, written while the daemon is stopped and killed, read by QEMU; and on a
# device that is too small, where writers wait until it has grown. Over a VHD on a disk of larger blocks than it was made for, where reads fail, and
# nobody waits. What a virtual machine writes is refused, and what we use is refused to one.
require_module
random_base
blank "$COW_DISK"
blank "$EXTRA1"
blank "$EXTRA2"

attached() { dmsetup status "$1" | grep -q ' attached '; }
granted() { [ "$(status_field "$1" 5)" -ge "$2" ]; }
# same DEVICE: what QEMU reads in the image is what was read through the device.
same() {
    qemu-img convert -f qcow2 -O raw "$1" /tmp/raw
    [ "$(digest </tmp/raw)" = "$2" ] || fail "QEMU reads $1 otherwise"
    rm /tmp/raw
}

# refused COMMAND...: for the machine's sake.
refused() {
    local status=0
    OUTPUT=$("$@" 2>&1) || status=$?
    [[ $status == 6 && $OUTPUT == *"in use by a virtual machine"* ]] || fail "exit $status: $*: $OUTPUT"
}
ended() { ! pgrep -x cowctl >/dev/null; }
taken() { expect_fail qemu-io -f raw -c 'write 1M 4k' "$1"; }

qemu-img create -q -f qcow2 -F raw -b "$BASE_DISK" "$COW_DISK" 64M
machine "$COW_DISK"
before=$(content "$COW_DISK")
refused cowctl open q "$COW_DISK" --force --backing-dir /dev
refused cowctl open q "$COW_DISK" --read-only --force --backing-dir /dev
refused cowctl create q "$BASE_DISK" "$COW_DISK" --force
[ "$(content "$COW_DISK")" = "$before" ] || fail "a machine's disk was written"
no_machine
machine "$BASE_DISK"
refused cowctl open q "$COW_DISK" --force --backing-dir /dev
refused cowctl create s "$BASE_DISK" "$EXTRA2" --size 64M
refused cowctl create s "$BASE_DISK" "$EXTRA2" --size 64M --format qcow2
cmp -n 4194304 "$EXTRA2" /dev/zero || fail "a store was made over the disk of a machine"
no_machine
# Other cases had other stores there, over another base.
cowctl open q "$COW_DISK" --force --backing-dir /dev
[ "$(content /dev/mapper/q)" = "$(content "$BASE_DISK")" ] || fail "an empty image does not read as its base"
for turn in 1 2 3; do
    stamp /dev/mapper/q "$turn" --size=32M --io_size=2M --fsync=32 &
    writer=$!
    sleep 0.3
    pkill -9 -x cowctl
    setsid cowctl daemon run >>/tmp/daemon.log 2>&1 &
    wait_for 60 attached q
    wait $writer || fail "turn $turn: a write failed while nobody served"
    verify /dev/mapper/q "$turn" --size=32M --io_size=2M --fsync=32
done

# Two devices have one base, and the locks of both are those of a daemon that adopted them.
cowctl create s "$BASE_DISK" "$EXTRA2" --size 64M
for turn in first next; do
    for disk in "$COW_DISK" "$EXTRA2" "$BASE_DISK"; do taken "$disk"; done
    # The base is only read, also by us.
    qemu-io -r -f raw -c 'read 1M 4k' "$BASE_DISK" >/dev/null || fail "the base is kept from a reader"
    [ $turn = first ] || continue
    pkill -9 -x cowctl
    wait_for 20 ended
    setsid cowctl daemon run >>/tmp/daemon.log 2>&1 &
    wait_for 60 attached q
    wait_for 60 attached s
done
cowctl remove s
unlocked "$EXTRA2" || fail "a lock is left"

# The device has all of its bytes: the kernel gets many more places than in a file, and needs nobody for the first writes of 24 MiB.
wait_for 60 granted q 512
daemon=$(daemon_pid)
kill -STOP "$daemon"
placed=$(status_field q 1) asked=$(status_field q 7)
stamp /dev/mapper/q 4 --offset=40M --size=24M --bs=64k --end_fsync=0
[ "$(status_field q 7)" = "$asked" ] || fail "the controller was asked"
[ $((${placed%/*} + 384)) -eq "$(status_field q 1 | cut -d/ -f1)" ] || fail "not 384 first writes without the controller"
kill -9 "$daemon"
setsid cowctl daemon run >>/tmp/daemon.log 2>&1 &
wait_for 60 attached q
verify /dev/mapper/q 4 --offset=40M --size=24M --bs=64k
after=$(content /dev/mapper/q)
cowctl remove q
for disk in "$COW_DISK" "$BASE_DISK"; do
    unlocked "$disk" || fail "a lock is left on $disk"
done
qemu-img check -q -f qcow2 "$COW_DISK"
same "$COW_DISK" "$after"

# 4 MiB, and then 64.
dmsetup create small --table "0 8192 linear $EXTRA1 0"
qemu-img create -q -f qcow2 -F raw -b "$BASE_DISK" /dev/mapper/small 64M
cowctl open s /dev/mapper/small --backing-dir /dev
dd if=/payload/random of=/dev/mapper/s bs=64k count=200 oflag=direct conv=fsync status=none &
writer=$!
waiting() { [ "$(cowctl status s --json | jq '.devices[0].waitingForSpace')" = true ]; }
wait_for 60 waiting
kill -0 $writer || fail "the writer did not wait for room"
dmsetup reload small --table "0 131072 linear $EXTRA1 0"
dmsetup suspend --noflush small
dmsetup resume small
cowctl extend s
wait $writer || fail "the writer did not go on"
cmp -n 13107200 /payload/random /dev/mapper/s || fail "not what was written"
after=$(content /dev/mapper/s)
cowctl remove s
qemu-img check -q -f qcow2 /dev/mapper/small
same /dev/mapper/small "$after"

# The data of a dynamic VHD begins on a sector that is no block of 4096 bytes.
qemu-img create -q -f vpc -o subformat=dynamic,force_size=on /tmp/small.vhd 8M
qemu-io -f vpc -c 'write -P 7 0 64k' /tmp/small.vhd >/dev/null
truncate -s %4096 /tmp/small.vhd
large=$(losetup -f --show -b 4096 /tmp/small.vhd)
blank "$EXTRA2"
qemu-img create -q -f qcow2 -u -F vpc -b "$large" "$EXTRA2" 8M
cowctl open v "$EXTRA2" --force --backing-dir /dev
expect_fail timeout -s KILL 60 dd if=/dev/mapper/v of=/dev/null bs=64k count=1 iflag=direct status=none
[[ $OUTPUT == *"Input/output error"* ]] || fail "a read that cannot be answered: $OUTPUT"
cowctl status v --json | jq -e '.devices[0].problem | contains("convert the image")' >/dev/null || fail "nothing tells why"
cowctl remove v
losetup -d "$large"
