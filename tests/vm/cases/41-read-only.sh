# SPDX-License-Identifier: MIT
# Turned read-only, a device fails the writes that wait for a place and every later one, whoever serves it; reads go on.
# timeout: 60
# shellcheck shell=bash
require_module
dmsetup create x --table "0 2048 cow x $BASE_DISK $COW_DISK 8"
put() { dd if=/dev/zero of=/dev/mapper/x bs=4k count=1 seek="$1" oflag=direct status=none; }
waiting() { [ "$(status_field x 3)" -ge "$1" ]; }

# Nobody serves it, and its policy is to wait.
put 1 2>/tmp/writer &
writer=$!
timeout 50 dd if=/dev/mapper/x of=/tmp/read bs=4k count=1 skip=9 iflag=direct status=none &
reader=$!
wait_for 10 waiting 2
kill -0 $writer || fail "a first write does not wait for a controller"
dmsetup message x 0 read_only
wait_for 10 test ! -e "/proc/$writer"
! wait $writer || fail "a write that waited for a place has succeeded"
grep -q 'Input/output error' /tmp/writer || fail "not an I/O error: $(cat /tmp/writer)"
expect_fail timeout 10 dd if=/dev/zero of=/dev/mapper/x bs=4k count=1 seek=2 oflag=direct
[ "$(status_field x 11)" = ro ] || fail "not read-only: $(dmsetup status x)"
kill -0 $reader || fail "a read that waits for its source was ended, too"
[ "$(status_field x 3)" = 1 ] || fail "not the one read waits: $(dmsetup status x)"
dmsetup wipe_table --force x
! wait $reader || fail "a read that nobody answered has succeeded"
dmsetup remove x
