# SPDX-License-Identifier: MIT
# timeout: 400
# A sparse CoW file on a full file system, with both policies; and a CoW file that is too short.
# shellcheck shell=bash
require_module
. /payload/cases/full.inc

leave_8_mib() {
    sync -f /tmp/host
    dd if=/dev/zero of=/tmp/host/filler bs=1M count="$(($(stat -f -c '(%a * %S >> 20)' /tmp/host) - 8))" conv=fsync status=none
}
empty_host() {
    rm -f /tmp/host/filler
    sync -f /tmp/host
}
mkfs.ext4 -q -m 0 "$EXTRA1" 64M
mkdir -p /tmp/host
mount "$EXTRA1" /tmp/host
both_policies "file system" /tmp/host/x.cow leave_8_mib empty_host

# A CoW file that is too short, and made longer.
rm /tmp/host/x.cow
truncate -s 8M /tmp/host/y.cow
cowctl create x "$BASE_DISK" /tmp/host/y.cow 64
put /tmp/again "$again_at"
waits "short file"
goes_on "short file" 32M
cowctl remove x
cowctl check /tmp/host/y.cow
umount /tmp/host
base_is_untouched

# A file system that cannot promise blocks: it is the kernel that meets ENOSPC, in first writes that the loop device has merged into one request.
mkfs.ext2 -q -m 0 "$EXTRA2" 64M
mount "$EXTRA2" /tmp/host
truncate -s 257M /tmp/host/z.cow
cowctl create x "$BASE_DISK" /tmp/host/z.cow 8 --format bitmap
put /tmp/again "$again_at"
# Not a block: of a request that goes in by half the loop device says that it went in.
dd if=/dev/zero of=/tmp/host/filler bs=4k conv=fsync status=none 2>/dev/null && fail "no promise: the file system does not become full"
batches=(--offset=32M --size=16M --iodepth=16 --iodepth_batch_submit=16 --iodepth_batch_complete_min=16)
stamp /dev/mapper/x 1 --rw=write "${batches[@]}" &
writer=$!
wait_for 60 is_held
wait_for 60 says_waiting
rest_goes_on "no promise"
empty_host
goes_on_by_itself() { ! kill -0 "$writer" 2>/dev/null; }
wait_for 60 goes_on_by_itself
wait "$writer" || fail "no promise: the writer failed: $(cowctl status x)"
verify /dev/mapper/x 1 --rw=write "${batches[@]}" || fail "no promise: the writer's data is not there"
cowctl remove x
cowctl check /tmp/host/z.cow --base "$BASE_DISK"
umount /tmp/host
