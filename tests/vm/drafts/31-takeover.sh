# SPDX-License-Identifier: MIT
# A daemon is stopped when it is about to write metadata, and replaced; woken again, it writes nothing, and what its successor committed stands.
require strace
require_module
random_base
blank "$COW_DISK"
cowctl create x "$BASE_DISK" "$COW_DISK" 16 --size 64M
dd if=/dev/urandom of=/dev/mapper/x bs=64k count=4 oflag=direct conv=fsync status=none
old=$(pgrep -x cowctl)

# The next write of metadata is held for a minute at the door of the kernel; there the process is stopped.
strace -f -qq -p "$old" -e trace=pwrite64 -e inject=pwrite64:delay_enter=60000000:when=1+ -o /tmp/strace.log &
tracer=$!
wait_for 30 grep -q TracerPid:.*[1-9] "/proc/$old/status"
head -c 1M /dev/urandom >/tmp/data
dd if=/tmp/data of=/dev/mapper/x bs=64k seek=16 oflag=direct conv=notrunc,fsync status=none &
syncer=$!
# 18 is pwrite64.
at_the_door() { grep -qs '^18 ' /proc/"$old"/task/*/syscall; }
wait_for 60 at_the_door
kill -STOP "$old"
kill -0 $syncer || fail "the flush did not wait for the metadata"

COWCTL_PINNED=1 setsid cowctl daemon run --takeover >/tmp/daemon.log 2>&1 &
wait $syncer || fail "the flush failed"
dd if="$COW_DISK" of=/tmp/after-flush bs=1M count=16 iflag=direct status=none
kill -CONT "$old" 2>/dev/null && [ "$(cut -d' ' -f3 "/proc/$old/stat" 2>/dev/null || echo Z)" != Z ] && fail "the old daemon lives"
kill -9 $tracer 2>/dev/null || true
sleep 2
cmp -n 16777216 /tmp/after-flush "$COW_DISK" || fail "somebody wrote after the flush"
cmp -n 1048576 /tmp/data <(dd if=/dev/mapper/x bs=64k skip=16 count=16 iflag=direct status=none) || fail "the data is gone"

# The power cut: what was on the disk when the flush was done is all there is.
dmsetup remove x
wait_for 60 eval '! cowctl status x >/dev/null 2>&1'
dd if=/tmp/after-flush of="$COW_DISK" bs=1M oflag=direct status=none
cowctl create x "$BASE_DISK" "$COW_DISK" --size 64M
cmp -n 1048576 /tmp/data <(dd if=/dev/mapper/x bs=64k skip=16 count=16 iflag=direct status=none) || fail "the data did not survive"
cowctl remove x

# The second line of defence: whoever was taken over is refused by the kernel.
dmsetup create y --table "0 2048 userspace y 8 1 $EXTRA1"
late y || fail "late replies are not refused"
dmsetup remove y
