# SPDX-License-Identifier: MIT
# A daemon is stopped when it is about to write metadata, and replaced; woken again, it writes nothing, and what its
# successor committed stands after a power cut.
require_module
random_base
blank "$COW_DISK"
cowctl create x "$BASE_DISK" "$COW_DISK" 16 --size 64M
dd if=/dev/urandom of=/dev/mapper/x bs=64k count=4 oflag=direct conv=fsync status=none
old=$(pgrep -x cowctl)

# Stops the process each time its loop has asked the channel for events, and lets it go on unless a FLUSH was among them:
# what comes next is the write of metadata. The signal comes first, so the loop does not wait: it finds what there is.
cat >/tmp/door.py <<'P'
import os, re, signal, struct, subprocess, sys, time
pid, ready = int(sys.argv[1]), sys.argv[2]
FLUSH, EVENT = 6, 64
def is_loop(tid):
    return open("/proc/%d/task/%s/comm" % (pid, tid)).read() == "cow x\n"
def events():
    """What the last EXCHANGE has written; its struct is still where it was."""
    calls = re.findall(r"^ioctl\(\d+, _IOC\([^)]*, 0xdc, 0x3, 0x20\), (0x[0-9a-f]+)\) += 0$", open("/tmp/strace.log").read(), re.M)
    if not calls:
        return b""
    with open("/proc/%d/mem" % pid, "rb", 0) as memory:
        def at(address, size):
            memory.seek(address)
            return memory.read(size)
        _, room, _, count, _, _ = struct.unpack("=QQIIiI", at(int(calls[-1], 16), 32))
        return at(room, count * EVENT) if count else b""
def state():
    return open("/proc/%d/stat" % pid).read().rsplit(") ", 1)[1][0]
loop = next(tid for tid in os.listdir("/proc/%d/task" % pid) if is_loop(tid))
strace = subprocess.Popen(["strace", "-qq", "-o", "/tmp/strace.log", "-e", "trace=ioctl",
                           "-e", "inject=ioctl:signal=SIGSTOP", "-p", loop])
while "TracerPid:\t0\n" in open("/proc/%d/task/%s/status" % (pid, loop)).read():
    time.sleep(0.05)
open(ready, "w").close()
while True:
    while state() not in "Tt":
        time.sleep(0.02)
    time.sleep(0.2)
    told = events()
    if any(told[at] == FLUSH for at in range(0, len(told), EVENT)):
        break
    os.kill(pid, signal.SIGCONT)
    time.sleep(0.05)
strace.send_signal(signal.SIGINT)
strace.wait()
P
timeout 120 python3 /tmp/door.py "$old" /tmp/ready &
door=$!
wait_for 30 test -e /tmp/ready
head -c 1M /dev/urandom >/tmp/data
dd if=/tmp/data of=/dev/mapper/x bs=64k seek=16 oflag=direct conv=notrunc,fsync status=none &
syncer=$!
wait $door || fail "the daemon could not be stopped before a metadata write"
grep -q '^State:.*stopped' "/proc/$old/status" || fail "the daemon is not stopped: $(grep State "/proc/$old/status")"
kill -0 $syncer || fail "the flush did not wait for the metadata"

setsid cowctl daemon run --takeover >/tmp/daemon.log 2>&1 &
wait $syncer || fail "the flush failed"
dd if="$COW_DISK" of=/tmp/after-flush bs=1M count=16 iflag=direct status=none
kill -CONT "$old" 2>/dev/null && [ "$(cut -d' ' -f3 "/proc/$old/stat" 2>/dev/null || echo Z)" != Z ] && fail "the old daemon lives"
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
