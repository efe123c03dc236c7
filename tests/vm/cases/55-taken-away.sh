# SPDX-License-Identifier: MIT
# A disk that is taken away has no sectors any more, and what lies behind the end of a source is zeros; but what was on that
# disk is an error: no zeros are read in its place, and none are copied into a store.
# timeout: 200
# shellcheck shell=bash
require_module
modprobe null_blk nr_devices=0
mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
item=/sys/kernel/config/nullb/nullb0
disk=/dev/nullb0
# A fresh one of 64 MiB, filled.
plug() {
    mkdir $item
    (cd $item && echo 1 >memory_backed && echo 512 >blocksize && echo 64 >size && echo 1 >power)
    dd if=/payload/random of=$disk bs=1M count=64 oflag=direct status=none
}
pull() {
    echo 0 >$item/power
    [ "$(cat "/sys/block/dm-$(dmsetup info -c --noheadings -o minor x)/slaves/nullb0/size" 2>/dev/null || echo 0)" = 0 ] ||
        fail "the disk is still there"
}
read4k() { dd if=/dev/mapper/x bs=4k count=1 skip="$1" iflag=direct status=none; }
write4k() { dd if=/payload/random of=/dev/mapper/x bs=4k count=1 seek="$1" oflag=direct conv=notrunc,fsync status=none; }
failed_as_a_disk() { grep -q 'Input/output error' <<<"$OUTPUT" || fail "not an I/O error: $OUTPUT"; }
placed() { status_field x 1 | cut -d/ -f1; }

# The base.
blank "$COW_DISK"
plug
cowctl create x $disk "$COW_DISK" 128
write4k 0
read4k 64 | cmp - <(dd if=/payload/random bs=4k count=1 skip=64 status=none)
before=$(placed)
pull
expect_fail read4k 160
failed_as_a_disk
# Several chunks at once go another way.
expect_fail dd if=/dev/mapper/x of=/dev/null bs=256k count=1 skip=3 iflag=direct
failed_as_a_disk
expect_fail write4k 321
failed_as_a_disk
[ "$(placed)" = "$before" ] || fail "a chunk was filled without its base"
read4k 0 | cmp - <(dd if=/payload/random bs=4k count=1 status=none)
cowctl remove x
cowctl check "$COW_DISK" --size 64M
rmdir $item

# The CoW device. Once it is read-only every access takes the long way.
plug
cowctl create x "$BASE_DISK" $disk 128 --size 32M --force
write4k 0
write4k 64
pull
dmsetup message x 0 read_only
[ "$(status_field x 11)" = ro ] || fail "not read-only: $(dmsetup status x)"
expect_fail read4k 0
failed_as_a_disk
expect_fail dd if=/dev/mapper/x of=/dev/null bs=512k count=1 iflag=direct
failed_as_a_disk
read4k 320 | cmp - <(dd if="$BASE_DISK" bs=4k count=1 skip=320 iflag=direct status=none)
cowctl remove x --force
rmdir $item
