# SPDX-License-Identifier: MIT
# A device with a cow line takes no discards, and keeps what it has. One that has become all linear passes them on.
require_module
random_base
blank "$COW_DISK"
discards() { awk '{ print $12 }' "/sys/block/${COW_DISK##*/}/stat"; }
piece() { dd if="$1" bs=1M skip="$2" count="$3" iflag=direct status=none; }

cowctl create x "$BASE_DISK" "$COW_DISK" 128 --size 64M --format bitmap
head -c 4M /dev/urandom >/tmp/data
dd if=/tmp/data of=/dev/mapper/x bs=1M oflag=direct conv=fsync status=none
before=$(content /dev/mapper/x) asked=$(discards)
expect_fail blkdiscard /dev/mapper/x
[[ $OUTPUT == *"not supported"* ]] || fail "refused for another reason: $OUTPUT"
[ "$(content /dev/mapper/x)" = "$before" ] || fail "a discard that was refused changed the device"
[ "$(discards)" = "$asked" ] || fail "a discard reached the CoW device"

# All of it is rewritten.
dd if=/payload/random of=/dev/mapper/x bs=1M count=32 skip=32 oflag=direct conv=notrunc status=none
dd if=/payload/random of=/dev/mapper/x bs=1M count=32 seek=32 oflag=direct conv=notrunc,fsync status=none
cowctl compact x
[[ $(dmsetup table x) == "0 131072 linear "* ]] || fail "not one linear line: $(dmsetup table x)"
first=$(dmsetup table x | awk '{ print $5 }')
piece /dev/mapper/x 0 64 >/tmp/before
blkdiscard -o 8M -l 4M /dev/mapper/x
[ "$(discards)" -gt "$asked" ] || fail "the discard did not reach the CoW device"
cmp <(piece /dev/mapper/x 8 4) <(dd if="$COW_DISK" bs=4M iflag=direct,skip_bytes skip=$((first * 512 + (8 << 20))) count=1 status=none) ||
    fail "what was discarded reads otherwise than the CoW device has it"
! cmp -s <(piece /dev/mapper/x 8 4) <(tail -c +$(((8 << 20) + 1)) /tmp/before | head -c 4M) || fail "nothing was discarded"
cmp <(piece /dev/mapper/x 0 8) <(head -c 8M /tmp/before) || fail "what lies in front of it changed"
cmp <(piece /dev/mapper/x 12 52) <(tail -c 52M /tmp/before) || fail "what lies behind it changed"
after=$(content /dev/mapper/x)
cowctl remove x
cowctl create x "$BASE_DISK" "$COW_DISK" --size 64M --format bitmap
[ "$(content /dev/mapper/x)" = "$after" ] || fail "made anew it reads otherwise"
cowctl remove x
