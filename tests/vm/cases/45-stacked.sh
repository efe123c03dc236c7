# SPDX-License-Identifier: MIT
# timeout: 600
# A store may lie on no device of the daemon's, whatever is between them, and a base may.
require_module
modprobe loop
random_base
blank "$COW_DISK"
blank "$EXTRA1"
blank "$EXTRA2"

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
blank "$EXTRA2"
cowctl create a /dev/mapper/b "$EXTRA2" 64
cowctl remove a
cowctl remove b
