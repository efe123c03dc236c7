# SPDX-License-Identifier: MIT
# timeout: 600
# The stock snapshot-merge target takes our store into its origin.
require_module
SECTORS=65536
random_base
blank "$COW_DISK"

cowctl create ours "$BASE_DISK" "$COW_DISK" 16 --size 32M
stamp /dev/mapper/ours 4 --size=16M --io_size=4M
stamp /dev/mapper/ours 5 --rw=write --bs=64k --offset=16M --size=4M
want=$(content /dev/mapper/ours)
cowctl remove ours

dmsetup create origin --table "0 $SECTORS snapshot-origin $BASE_DISK"
dmsetup create merge --table "0 $SECTORS snapshot-merge $BASE_DISK $COW_DISK P 16"
merged() {
    local used meta
    read -r used meta < <(dmsetup status merge | awk '{ split($4, a, "/"); print a[1], $5 }')
    [ "$used" = "$meta" ]
}
wait_for 120 merged
dmsetup remove merge
dmsetup remove origin
[ "$(content "$BASE_DISK")" = "$want" ] || fail "merged, the base is not what our device was"
