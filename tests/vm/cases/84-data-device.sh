# SPDX-License-Identifier: MIT
# timeout: 600
# A qcow2 whose data is on another device than its metadata: a flush goes to both, also where the kernel alone carries it out, and what was written is
# there after kills, and for QEMU.
require_module
blank "$COW_DISK"
blank "$EXTRA1"
flushes() { awk '{ print $16 }' "/sys/block/${1##*/}/stat"; }
attached() { [ "$(status_field x 6)" = attached ]; }
alone() { [ "$(status_field x 6)" = absent ]; }
committed() { [ "$(status_field x 2)" = 0 ]; }
kill_daemon() {
    pkill -KILL -x cowctl
    wait_for 10 alone
}

qemu-img create -q -f qcow2 -o data_file="$EXTRA1" "$COW_DISK" 64M
# One line, so that there is a cow line whatever is collapsed.
cowctl open x "$COW_DISK" --backing-dir /dev --segments 1
stamp /dev/mapper/x 1 --size=16M --io_size=2M
verify /dev/mapper/x 1 --size=16M --io_size=2M
dmsetup table x | grep -q ' cow .* data ' || fail "no data device: $(dmsetup table x)"

# Nobody but the kernel is there to flush.
head -c 4K /dev/urandom >/tmp/data
dd if=/tmp/data of=/dev/mapper/x bs=4k seek=8192 oflag=direct conv=notrunc,fsync status=none
wait_for 10 committed
kill_daemon
image=$(flushes "$COW_DISK") data=$(flushes "$EXTRA1")
dd if=/tmp/data of=/dev/mapper/x bs=4k seek=8193 oflag=direct conv=notrunc,fsync status=none
[ "$(flushes "$EXTRA1")" -gt "$data" ] || fail "the data device was not flushed"
[ "$(flushes "$COW_DISK")" -gt "$image" ] || fail "the image was not flushed"

cowctl list
wait_for 60 attached
for turn in 2 3 4; do
    stamp /dev/mapper/x $turn --offset=$((turn * 12))M --size=12M --io_size=2M --fsync=32 &
    writer=$!
    sleep 0.3
    kill_daemon
    cowctl list
    wait_for 60 attached
    wait $writer || fail "turn $turn: a write failed while nobody served"
    verify /dev/mapper/x $turn --offset=$((turn * 12))M --size=12M --io_size=2M --fsync=32
done
verify /dev/mapper/x 1 --size=16M --io_size=2M
after=$(content /dev/mapper/x)
cowctl remove x
qemu-img check -q -f qcow2 "$COW_DISK"
qemu-img convert -f qcow2 -O raw "$COW_DISK" /tmp/raw
[ "$(digest </tmp/raw)" = "$after" ] || fail "QEMU reads the image otherwise"
