# SPDX-License-Identifier: MIT
# A first write that covers its chunks and goes to granted places as it is, and what may meet it on its way: other
# accesses to the same chunk, a table swap in the middle, and a place that cannot be written.
require_module
modprobe dm-delay
modprobe dm-flakey
random_base
blank "$COW_DISK"
size=$(blockdev --getsz "$COW_DISK")
fast="0 $size linear $COW_DISK 0"
slow="0 $size delay $COW_DISK 0 0 $COW_DISK 0 600"
broken="0 $size flakey $COW_DISK 0 0 60 1 error_writes"
below() { dmsetup reload below --table "$1" && dmsetup suspend --noflush below && dmsetup resume below; }
settle() { dd if=/dev/null of=/dev/mapper/x conv=fsync,notrunc status=none; }
# write FILE CHUNK CHUNKS: in one piece.
write() { dd if="$1" of=/dev/mapper/x bs=$(($3 * 4096)) seek=$(($2 * 4096)) count=1 oflag=direct,seek_bytes conv=notrunc status=none; }
# under_way PID: its write waits below, or is through already.
under_way() { [ "$(status_field x 3)" -gt 0 ] || ! kill -0 "$1" 2>/dev/null; }
chunks() { dd if=/dev/mapper/x bs=4k skip="$1" count="$2" iflag=direct status=none; }

dmsetup create below --table "$fast"
cowctl create x "$BASE_DISK" /dev/mapper/below 8 --size 64M
write /payload/random 0 16
settle
[ "$(status_field x 5)" -gt 100 ] || fail "no places are granted: $(dmsetup status x)"
for name in a b; do head -c 64k /dev/urandom >/tmp/$name; done

# The second write and the read wait for the first, and are sent through the new table.
for turn in {1..8}; do
    below "$slow"
    at=$((turn * 100))
    write /tmp/a $at 16 &
    first=$!
    wait_for 10 under_way $first
    write /tmp/b $((at + 15)) 1 &
    second=$!
    chunks $at 1 >/tmp/read &
    reader=$!
    sleep 0.1
    if [ $((turn % 2)) = 1 ]; then
        dmsetup suspend --noflush x
        dmsetup resume x
    fi
    wait $first || fail "turn $turn: the first write failed"
    wait $second || fail "turn $turn: the second write failed"
    wait $reader || fail "turn $turn: the read failed"
    cmp -s /tmp/read <(head -c 4k /tmp/a) || cmp -s /tmp/read <(dd if="$BASE_DISK" bs=4k skip=$at count=1 iflag=direct status=none) ||
        fail "turn $turn: the read saw neither what was there nor what was written"
    below "$fast"
    cmp <(cat <(head -c 60k /tmp/a) <(head -c 4k /tmp/b)) <(chunks $at 16) || fail "turn $turn: not what was written"
    # What the first one left behind would be found by these.
    dd if=/tmp/b of=/dev/mapper/x bs=512 seek=$(((at + 50) * 8 + 1)) count=1 oflag=direct conv=notrunc status=none
done
settle

# The place fails: the write does, nothing else, and the next one takes another place.
below "$broken"
expect_fail write /tmp/a 2000 16
below "$fast"
cmp <(chunks 2000 16) <(dd if="$BASE_DISK" bs=4k skip=2000 count=16 iflag=direct status=none) || fail "a failed write changed the device"
write /tmp/b 2000 16
write /tmp/a 3000 16
settle
# Nobody waits for the commit of this one, and the kernel alone knows of it.
committed() { [ "$(status_field x 2)" = 0 ]; }
write /tmp/b 4000 16
wait_for 30 committed
before=$(content /dev/mapper/x)
cowctl remove x
cowctl check /dev/mapper/below
cowctl create x "$BASE_DISK" /dev/mapper/below 8 --size 64M
[ "$(content /dev/mapper/x)" = "$before" ] || fail "the contents differ after a reopen"
cmp /tmp/b <(chunks 2000 16) || fail "the second place does not hold what was written"
cowctl remove x
