# SPDX-License-Identifier: MIT
# timeout: 1200
# First writes need nobody once places are granted: they go on with the controller stopped, and dead; its successor
# adopts what was taken. Nothing is lost, and no place is given twice.
# shellcheck shell=bash

require_module
random_base
blank "$COW_DISK"
before=$(content "$BASE_DISK")

placed() { status_field g 1 | cut -d/ -f1; }
granted() { [ "$(status_field g 5)" -ge "$1" ]; }
taken_since() { [ "$(placed)" -ge $(($1 + $2)) ]; }
gone() { ! kill -0 "$1" 2>/dev/null; }
served() { [ "$(status_field g 6)" = attached ]; }
# Recovery belongs to the start of the daemon, which any command brings about.
restart() {
    cowctl list >/dev/null
    wait_for 60 served
}

cowctl create g "$BASE_DISK" "$COW_DISK" 8 --size 64M
wait_for 60 granted 1536
daemon=$(daemon_pid)

# Stopped. No flush here: it would wait for the commit, as it must.
kill -STOP "$daemon"
from=$(placed) asked=$(status_field g 7)
stamp /dev/mapper/g 1 --size=16M --io_size=6000k --end_fsync=0
taken_since "$from" 1500 || fail "only $(($(placed) - from)) first writes without the controller"
[ "$(status_field g 7)" = "$asked" ] || fail "the controller was asked"
[ "$(awk '{ print $3 }' "/proc/$daemon/stat")" = T ] || fail "the controller was not stopped"
note first_writes_while_stopped $(($(placed) - from))
verify /dev/mapper/g 1 --size=16M --io_size=6000k

# Killed in this state: the rest of the pool serves on, then writers wait for the next one.
kill -9 "$daemon"
wait_for 10 gone "$daemon"
left=$(status_field g 5)
note granted_when_killed "$left"
[ "$left" -gt 0 ] || fail "nothing was left to take over"
stamp /dev/mapper/g 2 --offset=16M --size=28M &
writer=$!
restart
wait $writer
[ "$(status_field g 2)" -eq 0 ] || fail "the flush at its end committed nothing"
verify /dev/mapper/g 1 --size=16M --io_size=6000k
verify /dev/mapper/g 2 --offset=16M --size=28M

# Killed again and again in the middle of first writes.
for round in 3 4; do
    stamp /dev/mapper/g $round --offset=$((round * 8 + 20))M --size=8M --io_size=3M --fsync=64 &
    writer=$!
    sleep 0.$((round * 13))
    kill -9 "$(daemon_pid)"
    restart
    wait $writer
done
for round in 3 4; do
    verify /dev/mapper/g $round --offset=$((round * 8 + 20))M --size=8M --io_size=3M
done
ours=$(content /dev/mapper/g)
cowctl remove g
cowctl check "$COW_DISK"
stock theirs P 8
[ "$(content /dev/mapper/theirs)" = "$ours" ] || fail "the stock target reads another content than we"
dmsetup remove theirs
[ "$(content "$BASE_DISK")" = "$before" ] || fail "the base was written"

# A range: places that are fixed, on a device that is all there.
blank "$COW_DISK"
cowctl create g "$BASE_DISK" "$COW_DISK" 128 --size 64M --format bitmap
wait_for 60 granted 1024
daemon=$(daemon_pid)
kill -STOP "$daemon"
stamp /dev/mapper/g 7 --size=32M --io_size=4M --end_fsync=0
asked=$(status_field g 7)
kill -9 "$daemon"
stamp /dev/mapper/g 8 --offset=32M --size=32M --io_size=4M --end_fsync=0
[ "$(status_field g 7)" = "$asked" ] || fail "the controller was asked"
restart
verify /dev/mapper/g 7 --size=32M --io_size=4M
verify /dev/mapper/g 8 --offset=32M --size=32M --io_size=4M
ours=$(content /dev/mapper/g)
cowctl remove g
cowctl create g "$BASE_DISK" "$COW_DISK" --size 64M --format bitmap
[ "$(content /dev/mapper/g)" = "$ours" ] || fail "bitmap: lost at the end"
cowctl remove g
cowctl check "$COW_DISK" --size 64M || fail "bitmap: the store is damaged"

# A disk image: places are clusters of a file, a few at first since they take its blocks. The kernel is not told all of it at once: the first write
# brings what the rest reads from.
mkfs.ext4 -q "$EXTRA1"
mkdir -p /img
mount "$EXTRA1" /img
qemu-img create -q -f qcow2 /img/g.qcow2 64M
cowctl open g /img/g.qcow2
stamp /dev/mapper/g 9 --size=64k
wait_for 60 granted 16
daemon=$(daemon_pid)
kill -STOP "$daemon"
from=$(placed) asked=$(status_field g 7)
stamp /dev/mapper/g 10 --offset=1M --size=768k --end_fsync=0
taken_since "$from" 12 || fail "qcow2: only $(($(placed) - from)) first writes without the controller"
[ "$(status_field g 7)" = "$asked" ] || fail "qcow2: the controller was asked"
kill -CONT "$daemon"
sync /dev/mapper/g
wait_for 60 granted 12

# What was taken is uncommitted when the daemon dies, and the rest is still the kernel's.
kill -STOP "$daemon"
stamp /dev/mapper/g 11 --offset=2M --size=640k --end_fsync=0
kill -9 "$daemon"
wait_for 10 gone "$daemon"
[ "$(status_field g 7)" = "$asked" ] || fail "qcow2: the controller was asked"
restart
stamp /dev/mapper/g 12 --offset=8M --size=8M --io_size=3M --fsync=64
verify /dev/mapper/g 9 --size=64k
verify /dev/mapper/g 10 --offset=1M --size=768k
verify /dev/mapper/g 11 --offset=2M --size=640k
verify /dev/mapper/g 12 --offset=8M --size=8M --io_size=3M
ours=$(content /dev/mapper/g)
cowctl remove g
qemu-img check /img/g.qcow2 || fail "qcow2: not clean after a clean close"
qemu-img convert -O raw /img/g.qcow2 /img/g.raw
[ "$(digest </img/g.raw)" = "$ours" ] || fail "qcow2: qemu-img reads another content than we"
cowctl daemon stop
wait_for 20 umount /img
rmmod dm-cow
