# SPDX-License-Identifier: MIT
# A qcow2 on a block device, over a base that is one: opened in place, written while the daemon is stopped and killed, read by QEMU; and on a
# device that is too small, where writers wait until it has grown.
require_module
require qemu-img jq
random_base
blank "$COW_DISK"
blank "$EXTRA1"

attached() { dmsetup status "$1" | grep -q ' attached '; }
granted() { [ "$(status_field "$1" 5)" -ge "$2" ]; }
# same DEVICE: what QEMU reads in the image is what was read through the device.
same() {
    qemu-img convert -f qcow2 -O raw "$1" /tmp/raw
    [ "$(digest </tmp/raw)" = "$2" ] || fail "QEMU reads $1 otherwise"
    rm /tmp/raw
}

qemu-img create -q -f qcow2 -F raw -b "$BASE_DISK" "$COW_DISK" 64M
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
