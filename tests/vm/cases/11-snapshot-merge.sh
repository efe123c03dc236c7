# SPDX-License-Identifier: MIT
# The stock snapshot-merge target takes our store into its origin.
require_module
random_base 256
blank "$COW_DISK"
size=$(blockdev --getsz "$BASE_DISK")

cowctl create ours "$BASE_DISK" "$COW_DISK" 16
stamp /dev/mapper/ours 4 --size=128M --io_size=16M
stamp /dev/mapper/ours 5 --rw=write --bs=64k --offset=128M --size=8M
want=$(sha /dev/mapper/ours)
cowctl remove ours

dmsetup create origin --table "0 $size snapshot-origin $BASE_DISK"
dmsetup create merge --table "0 $size snapshot-merge $BASE_DISK $COW_DISK P 16"
merged() {
    local used meta
    read -r used meta < <(dmsetup status merge | awk '{ split($4, a, "/"); print a[1], $5 }')
    [ "$used" = "$meta" ]
}
wait_for 120 merged
dmsetup remove merge
dmsetup remove origin
[ "$(sha "$BASE_DISK")" = "$want" ] || fail "merged, the base is not what our device was"
