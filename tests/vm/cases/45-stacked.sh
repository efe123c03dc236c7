# SPDX-License-Identifier: MIT
# timeout: 600
# A store may lie on no device of the daemon's, whatever is between them, and a base may, also where both are made at boot. And a store that does not answer
# holds up no other.
require_module
modprobe loop
random_base
blank "$COW_DISK"
blank "$EXTRA1"
blank "$EXTRA2"

kill_daemon() {
    pkill -KILL -x cowctl || true
    while pgrep -x cowctl >/dev/null; do sleep 0.05; done
}
state() { cowctl status "$1" --json | jq -r '.devices[0].state'; }
is() { [ "$(state "$1")" = "$2" ]; }
refused() {
    local status=0
    OUTPUT=$(cowctl create a "$EXTRA1" "$@" 2>&1) || status=$?
    [[ $status = 6 && $OUTPUT == *"lies on the device b: "* ]] || fail "not refused, or with $status: $*: $OUTPUT"
    ! dmsetup info a >/dev/null 2>&1 || fail "a is there"
}

cowctl create b "$BASE_DISK" "$COW_DISK" 64 --size 64M
refused /dev/mapper/b
mkfs.ext4 -q -F /dev/mapper/b
mkdir -p /tmp/b
mount /dev/mapper/b /tmp/b
refused /tmp/b/a.cow
refused /tmp/b/a.qcow2 --format qcow2
[ -z "$(find /tmp/b -name 'a.*')" ] || fail "left: $(find /tmp/b -name 'a.*')"
truncate -s 32M /tmp/b/disk
refused /tmp/b/disk
loop=$(losetup -f --show /tmp/b/disk)
refused "$loop"
dmsetup create between --table "0 65536 linear $loop 0"
refused /dev/mapper/between
refused "$EXTRA2" --format bitmap --bitmap-device /dev/mapper/between
dmsetup remove between
losetup -d "$loop"
umount /tmp/b
cowctl remove b

# Its name comes behind that of the device which lies on it.
cowctl create b "$BASE_DISK" "$COW_DISK" --size 64M --at-boot
cowctl create a /dev/mapper/b "$EXTRA2" 64 --at-boot
dd if=/payload/random of=/dev/mapper/a bs=1M count=4 seek=8 oflag=direct status=none
kill_daemon
cowctl list
is a active || fail "a is $(state a)"
is b active || fail "b is $(state b)"
cowctl daemon stop
dmsetup remove a
dmsetup remove b
rm -rf /run/dm-cow
cowctl list
is a active || fail "after a reboot a is $(state a)"
cmp -n 4194304 /payload/random <(dd if=/dev/mapper/a bs=1M skip=8 count=4 iflag=direct status=none) || fail "the data is gone"
cowctl remove a
cowctl remove b

# The first one's disk does not answer.
volume=$(lsblk -ndo MAJ:MIN "$EXTRA1" | tr -d ' ')
dmsetup create disk --table "0 131072 linear $volume 0"
blank "$COW_DISK"
cowctl create hangs "$BASE_DISK" /dev/mapper/disk 64 --size 32M
cowctl create works "$BASE_DISK" "$COW_DISK" 64 --size 32M
dd if=/payload/random of=/dev/mapper/hangs bs=1M count=4 oflag=direct conv=fsync status=none
kill_daemon
dmsetup suspend --noflush --nolockfs disk
cowctl list
is works active || fail "works is $(state works)"
is hangs waiting || fail "hangs is $(state hangs)"
cowctl status hangs --json | jq -r '.devices[0].problem' | grep -q 'does not answer' || fail "not told that it hangs"
dd if=/payload/random of=/dev/mapper/works bs=1M count=4 oflag=direct conv=fsync status=none
dmsetup resume disk
wait_for 20 is hangs active
cmp -n 4194304 /payload/random <(dd if=/dev/mapper/hangs bs=1M count=4 iflag=direct status=none) || fail "the data is gone"
cowctl remove hangs
cowctl remove works
dmsetup remove disk
