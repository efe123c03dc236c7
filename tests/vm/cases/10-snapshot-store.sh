# SPDX-License-Identifier: MIT
# A store goes from the stock snapshot target to ours and back, written on each side; contents are equal at every step.
require_module
random_base 256
blank "$COW_DISK"
before=$(sha "$BASE_DISK")

stock theirs P 16
stamp /dev/mapper/theirs 1 --size=64M --io_size=8M
theirs=$(sha /dev/mapper/theirs)
dmsetup remove theirs

cowctl create ours "$BASE_DISK" "$COW_DISK"
[ "$(dmsetup table ours | awk '{ print $7 }')" = 16 ] || fail "the store's chunk size was not taken"
[ "$(sha /dev/mapper/ours)" = "$theirs" ] || fail "we read another content than the stock target"
verify /dev/mapper/ours 1 --size=64M --io_size=8M
stamp /dev/mapper/ours 2 --offset=64M --size=64M --io_size=8M
ours=$(sha /dev/mapper/ours)
cowctl remove ours

stock theirs P 16
[ "$(sha /dev/mapper/theirs)" = "$ours" ] || fail "the stock target reads another content than we"
stamp /dev/mapper/theirs 3 --offset=128M --size=64M --io_size=8M
theirs=$(sha /dev/mapper/theirs)
dmsetup remove theirs

cowctl check "$COW_DISK"
cowctl create ours "$BASE_DISK" "$COW_DISK"
[ "$(sha /dev/mapper/ours)" = "$theirs" ] || fail "we lost what the stock target wrote after us"
verify /dev/mapper/ours 2 --offset=64M --size=64M --io_size=8M
cowctl remove ours
[ "$(sha "$BASE_DISK")" = "$before" ] || fail "the base was written"
