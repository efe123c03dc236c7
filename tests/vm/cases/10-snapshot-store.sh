# SPDX-License-Identifier: MIT
# timeout: 600
# A store goes from the stock snapshot target to ours and back, written on each side; contents are equal at every step.
require_module
# shellcheck disable=SC2034  # lib.sh reads it
SECTORS=65536
random_base
blank "$COW_DISK"
before=$(content "$BASE_DISK")

stock theirs P 16
stamp /dev/mapper/theirs 1 --size=8M --io_size=2M
theirs=$(content /dev/mapper/theirs)
dmsetup remove theirs

cowctl create ours "$BASE_DISK" "$COW_DISK" --size 32M
[ "$(dmsetup table ours | awk '{ print $7; exit }')" = 16 ] || fail "the store's chunk size was not taken"
[ "$(content /dev/mapper/ours)" = "$theirs" ] || fail "we read another content than the stock target"
stamp /dev/mapper/ours 2 --offset=8M --size=8M --io_size=2M
stamp /dev/mapper/ours 3 --offset=16M --size=4M --rw=write --bs=64k
ours=$(content /dev/mapper/ours)
cowctl remove ours

stock theirs P 16
[ "$(content /dev/mapper/theirs)" = "$ours" ] || fail "the stock target reads another content than we"
stamp /dev/mapper/theirs 4 --offset=24M --size=8M --io_size=2M
theirs=$(content /dev/mapper/theirs)
dmsetup remove theirs

cowctl check "$COW_DISK"
cowctl create ours "$BASE_DISK" "$COW_DISK" --size 32M
[ "$(content /dev/mapper/ours)" = "$theirs" ] || fail "we lost what the stock target wrote after us"
verify /dev/mapper/ours 1 --size=8M --io_size=2M
verify /dev/mapper/ours 2 --offset=8M --size=8M --io_size=2M
verify /dev/mapper/ours 4 --offset=24M --size=8M --io_size=2M
cowctl remove ours
[ "$(content "$BASE_DISK")" = "$before" ] || fail "the base was written"
