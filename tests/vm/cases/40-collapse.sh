# SPDX-License-Identifier: MIT
# timeout: 400
# 200 collapses under verified load, alternating with fsyncs: no I/O fails. Then suspend, resume, wipe_table and remove by hand while faults wait; and a
# table that the kernel does not make live.
require_module
random_base
blank "$COW_DISK"
cowctl create x "$BASE_DISK" "$COW_DISK" 8 --size 64M --segments 32

load() {
    local turn=0
    while [ ! -e /tmp/stop ]; do
        turn=$((turn + 1))
        stamp /dev/mapper/x $turn --offset=$((turn % 7 * 8))M --size=8M --io_size=512k --fsync=16
        verify /dev/mapper/x $turn --offset=$((turn % 7 * 8))M --size=8M --io_size=512k
    done
}
load &
loader=$!
# One client for all of them: starting cowctl two hundred times would measure the runtime. A run that grows by a chunk
# each time makes every plan differ from the table that there is.
cat >/tmp/compact.py <<'END'
import json, mmap, os, socket, sys
fd = os.open("/dev/mapper/x", os.O_RDWR | os.O_DIRECT)
block = mmap.mmap(-1, 4096)
pauses = []
turn = 0
while len(pauses) < 200:
    block[:] = (b"%d " % turn).ljust(4096, b"c")
    os.pwritev(fd, [block], (56 << 20) + turn * 4096)
    turn += 1
    s = socket.socket(socket.AF_UNIX)
    s.connect("/run/dm-cow/daemon.sock")
    s.sendall(b'{"verb":"compact","name":"x"}\n')
    answer = json.loads(s.makefile().readline())
    if answer.get("error"):
        raise SystemExit(answer["error"]["reason"])
    pause = answer["compaction"]["pauseMilliseconds"]
    if pause > 0:
        pauses.append(pause)
    if turn % 2:
        os.fsync(fd)
for i in range(turn):
    os.preadv(fd, [block], (56 << 20) + i * 4096)
    if not block[:].startswith(b"%d c" % i):
        raise SystemExit("block %d is lost" % i)
pauses.sort()
print(len(pauses), turn, pauses[100], pauses[-1])
END
timeout 300 python3 /tmp/compact.py >/tmp/compact.out 2>&1 || fail "$(tail -n 1 /tmp/compact.out)"
touch /tmp/stop
wait $loader || fail "the load failed: $(cat "$CASE_STATE/reason" 2>/dev/null)"
read -r collapses _ median longest </tmp/compact.out
[ "$collapses" = 200 ] || fail "only $collapses collapses"
note collapses "$collapses, pause median $median ms, longest $longest ms"
cowctl remove x

# By hand, while first writes wait for a daemon that is stopped. With one line it has nothing to swap by itself: of two who resume, one is refused.
blank "$COW_DISK"
cowctl create x "$BASE_DISK" "$COW_DISK" 8 --size 64M --segments 1
kill -STOP "$(pgrep -x cowctl)"
# More than the places that were granted.
dd if=/payload/random of=/dev/mapper/x bs=1M oflag=direct status=none &
writer=$!
waiting() { [ "$(status_field x 3)" -gt 0 ]; }
wait_for 20 waiting
dmsetup suspend --noflush --nolockfs x
dmsetup resume x
wait_for 20 waiting
timeout -s INT 3 dmsetup suspend x && fail "a flushing suspend ended with a fault waiting"
dmsetup info x | grep -q 'State: *ACTIVE' || fail "an interrupted suspend left the device suspended"
wait_for 20 waiting
kill -CONT "$(pgrep -x cowctl)"
wait $writer || fail "the write that waited failed"
dmsetup suspend x
dmsetup resume x

cowctl remove x
blank "$COW_DISK"
cowctl create x "$BASE_DISK" "$COW_DISK" 8 --size 64M
kill -STOP "$(pgrep -x cowctl)"
dd if=/payload/random of=/dev/mapper/x bs=1M oflag=direct status=none 2>/dev/null &
writer=$!
wait_for 20 waiting
dmsetup wipe_table --force x
! wait $writer || fail "a write into an error table succeeded"
dmsetup remove x
kill -CONT "$(pgrep -x cowctl)"
cowctl create x "$BASE_DISK" "$COW_DISK" --size 64M
cowctl remove x
cowctl check "$COW_DISK"

# The kernel refuses to swap where the CoW device has become no whole number of the base's blocks: the device goes on with the table that it has.
problem() { cowctl status x --json | jq -r '.devices[0].problem'; }
blocks=$(losetup -f --show -r -b 4096 "$BASE_DISK")
truncate -s 96M /tmp/odd.cow
odd=$(losetup -f --show /tmp/odd.cow)
cowctl create x "$blocks" "$odd" 8 --size 64M --segments 32
dd if=/payload/random of=/dev/mapper/x bs=1M count=4 oflag=direct status=none
truncate -s +512 /tmp/odd.cow
losetup -c "$odd"
expect_fail cowctl compact x
dmsetup info x | grep -q 'State: *ACTIVE' || fail "a swap that was refused left the device suspended"
cmp -n 4194304 /payload/random <(dd if=/dev/mapper/x bs=1M count=4 iflag=direct status=none) || fail "the data is gone"
dd if=/payload/random of=/dev/mapper/x bs=1M count=1 seek=32 oflag=direct conv=fsync status=none
[ "$(problem)" = null ] || fail "$(problem)"
truncate -s +3584 /tmp/odd.cow
losetup -c "$odd"
cowctl compact x
dmsetup table x | grep -q linear || fail "it is not collapsed"
dmsetup suspend x
[[ $(problem) == "it is suspended: "* ]] || fail "it is suspended, and told is $(problem)"
dmsetup resume x
[ "$(problem)" = null ] || fail "$(problem)"
cowctl remove x
losetup -d "$odd"
losetup -d "$blocks"
