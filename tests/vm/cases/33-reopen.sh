# SPDX-License-Identifier: MIT
# A store is opened again and again, by create and by a new daemon after a kill: whoever reads and writes from the first
# moment on never sees the base where the store has a place, not even around a write.
require_module
blank "$BASE_DISK" 32
blank "$COW_DISK"

# Of 1024 chunks of 32 KiB every other one has a place and is full of U, so that cow lines remain whatever collapses.
# Reads of them must find U, or the W of the writes that go on beside them; zeros are the base.
cat >/tmp/hammer.py <<'P'
import errno, mmap, os, random, sys, time
CHUNK = 32768
kind, stop = sys.argv[1], sys.argv[2]
random.seed(len(kind))
buffer = mmap.mmap(-1, CHUNK)
done = 0
def device():
    while not os.path.exists(stop):
        try:
            return os.open("/dev/mapper/x", os.O_RDWR | os.O_DIRECT)
        except OSError as e:
            # Between remove and create: no node, or one without a table behind it.
            if e.errno not in (errno.ENOENT, errno.ENXIO):
                raise
            time.sleep(0.002)
def place():
    return (2 * random.randrange(512) + 1) * CHUNK
fd = device()
while not os.path.exists(stop):
    # Created, and no table yet: a read would find the end there, a write ENOSPC.
    if os.lseek(fd, 0, os.SEEK_END) == 0:
        os.close(fd)
        fd = device()
        continue
    if kind == "fill":
        buffer[:] = b"U" * CHUNK
        for chunk in range(1, 1024, 2):
            os.pwritev(fd, [buffer], chunk * CHUNK)
        break
    if kind == "write":
        buffer[:512] = b"W" * 512
        os.pwritev(fd, [memoryview(buffer)[:512]], place() + random.randrange(64) * 512)
    else:
        at = place()
        n = os.preadv(fd, [buffer], at)
        if bytes(buffer[:n]).strip(b"UW"):
            raise SystemExit("the base shows in chunk %d" % (at // CHUNK))
    done += 1
print(kind, done)
P
cowctl create x "$BASE_DISK" "$COW_DISK" 64 --size 32M
python3 /tmp/hammer.py fill /tmp/never

for round in 1 2; do
    cowctl remove x
    rm -f /tmp/stop
    python3 /tmp/hammer.py read /tmp/stop >/tmp/reads 2>&1 &
    reader=$!
    python3 /tmp/hammer.py write /tmp/stop >/tmp/writes 2>&1 &
    writer=$!
    cowctl create x "$BASE_DISK" "$COW_DISK" --size 32M
    sleep 0.3
    kill -9 "$(daemon_pid)"
    cowctl status x
    sleep 0.3
    touch /tmp/stop
    wait $reader || fail "round $round, reader: $(tail -n 1 /tmp/reads)"
    wait $writer || fail "round $round, writer: $(tail -n 1 /tmp/writes)"
    cat /tmp/reads /tmp/writes
    read -r _ reads </tmp/reads
    [ "$reads" -gt 20 ] || fail "round $round: only $reads reads"
done
cowctl remove x
cowctl check "$COW_DISK"
