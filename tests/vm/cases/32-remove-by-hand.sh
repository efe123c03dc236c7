# SPDX-License-Identifier: MIT
# timeout: 600
# dd without fsync, dmsetup remove by hand, create again: the data is there. The same with wipe_table, and with the daemon killed between.
require_module
random_base
blank "$COW_DISK"
head -c 8M /dev/urandom >/tmp/data

put() { dd if=/tmp/data of=/dev/mapper/x bs=64k seek="$1" status=none; }
find_again() { cmp -n 8388608 /tmp/data <(dd if=/dev/mapper/x bs=64k skip="$1" count=128 iflag=direct status=none) || fail "$2: the data is gone"; }

cowctl create x "$BASE_DISK" "$COW_DISK" 64 --size 64M
put 0
dmsetup remove x
cowctl create x "$BASE_DISK" "$COW_DISK" --size 64M
find_again 0 "dmsetup remove"

put 200
dmsetup wipe_table x
dmsetup remove x
cowctl create x "$BASE_DISK" "$COW_DISK" --size 64M
find_again 0 "wipe_table"
find_again 200 "wipe_table"

# Killed before its timer commits: the places are in the kernel alone, which keeps them, and itself.
uncommitted=0 at=400
until [ "$uncommitted" -gt 0 ]; do
    [ $at -lt 800 ] || fail "all was committed before the daemon could be killed"
    cowctl list >/dev/null
    daemon=$(pgrep -x cowctl)
    put $at
    kill -9 "$daemon"
    uncommitted=$(status_field x 2)
    at=$((at + 128))
done
note uncommitted_when_killed "$uncommitted"
dmsetup remove x
! rmmod dm_cow 2>/dev/null || fail "the module went with uncommitted places"
cowctl create x "$BASE_DISK" "$COW_DISK" --size 64M
find_again 0 "daemon killed"
find_again 200 "daemon killed"
find_again $((at - 128)) "daemon killed"

# Nobody creates it again, and the kernel tells nothing of the removal, as no line that is ours was left: it is noticed all the same,
# also long after the daemon looked because the last line went.
reaped() { ! cowctl status x >/dev/null 2>&1; }
dd if=/payload/random of=/dev/mapper/x bs=1M oflag=direct status=none
cowctl compact x
! dmsetup table x | grep -q ' cow ' || fail "not all of it is linear: $(dmsetup table x)"
sleep 3
dmsetup remove x
wait_for 5 reaped
cowctl create x "$BASE_DISK" "$COW_DISK" --size 64M
dmsetup wipe_table x
sleep 3
dmsetup remove x
wait_for 5 reaped
cowctl check "$COW_DISK"
