# SPDX-License-Identifier: MIT
# dd without fsync, dmsetup remove by hand, create again: the data is there. The same with wipe_table, and with the daemon killed between.
require_module
random_base 64
blank "$COW_DISK"
head -c 8M /dev/urandom >/tmp/data

put() { dd if=/tmp/data of=/dev/mapper/x bs=64k seek="$1" status=none; }
find_again() { cmp -n 8388608 /tmp/data <(dd if=/dev/mapper/x bs=64k skip="$1" count=128 iflag=direct status=none) || fail "$2: the data is gone"; }

cowctl create x "$BASE_DISK" "$COW_DISK" 64
put 0
dmsetup remove x
cowctl create x "$BASE_DISK" "$COW_DISK" 64
find_again 0 "dmsetup remove"

put 200
dmsetup wipe_table x
dmsetup remove x
cowctl create x "$BASE_DISK" "$COW_DISK" 64
find_again 0 "wipe_table"
find_again 200 "wipe_table"

# The daemon stands still so that nothing can be committed before it is killed.
put 400
kill -9 "$(daemon_pid)"
dmsetup remove x
rmmod dm_cow 2>/dev/null && fail "the module went with uncommitted places"
cowctl create x "$BASE_DISK" "$COW_DISK" 64
find_again 0 "daemon killed"
find_again 200 "daemon killed"
find_again 400 "daemon killed"
cowctl remove x
cowctl check "$COW_DISK"
