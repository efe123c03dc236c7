# SPDX-License-Identifier: MIT
# timeout: 900
# The daemon is killed 50 times at random moments under verified load, some of them while it starts: no I/O error, nothing
# lost, and what has its place is read and written while nobody serves.
require_module
random_base
blank "$COW_DISK"
before=$(content "$BASE_DISK")
cowctl create x "$BASE_DISK" "$COW_DISK" 16 --size 64M
head -c 1M /dev/urandom >/tmp/first
dd if=/tmp/first of=/dev/mapper/x bs=64k oflag=direct conv=fsync status=none

# Write and verify, each turn elsewhere, until told to stop. Its pace leaves the daemon the processor that it starts on.
load() {
    local turn=0
    while [ ! -e /tmp/stop ]; do
        turn=$((turn + 1))
        stamp /dev/mapper/x $turn --offset=$((8 + turn % 7 * 8))M --size=8M --io_size=1M --fsync=32 --do_verify=1 --rate_iops=80,80
    done
    echo "$turn" >/tmp/turns
}

# A read and a write of chunks that have their place, over and over; latencies with a daemon and without one, in ms.
cat >/tmp/probe.py <<'P'
import mmap, os, random, time
random.seed(7)
fd = os.open("/dev/mapper/x", os.O_RDWR | os.O_DIRECT)
block = mmap.mmap(-1, 4096)
took = {True: [], False: []}
done = 0
while not os.path.exists("/tmp/stop"):
    dead = os.path.exists("/tmp/dead")
    at = random.randrange(256) * 4096
    begun = time.monotonic()
    os.preadv(fd, [block], at)
    os.pwritev(fd, [block], at)
    took[dead].append((time.monotonic() - begun) * 1000)
    done += dead and os.path.exists("/tmp/dead")
    with open("/tmp/probe.new", "w") as f:
        f.write("%d\n" % done)
    os.rename("/tmp/probe.new", "/tmp/probes")
    time.sleep(0.05)
for dead, name in (True, "dead"), (False, "alive"):
    times = sorted(took[dead])
    print("%s n %d median %.1f p99 %.1f max %.1f" % (name, len(times), times[len(times) // 2], times[len(times) * 99 // 100], times[-1]))
P
probes() { cat /tmp/probes 2>/dev/null || echo 0; }
probed() { [ "$(probes)" -ge "$1" ]; }
attached() { dmsetup status x | grep -q ' attached '; }
now() { local t=${EPOCHREALTIME/[.,]/}; echo $((t / 1000)); }

load &
loader=$!
python3 /tmp/probe.py >/tmp/probe.out 2>&1 &
prober=$!
RANDOM=7
daemon=$(daemon_pid)
longest=0 served=0
for kill in {1..50}; do
    kill -9 "$daemon" || fail "kill $kill: there is no daemon: $(tail -n 3 /tmp/daemon.log)"
    while kill -0 "$daemon" 2>/dev/null; do sleep 0.02; done
    touch /tmp/dead
    # Nobody serves now, and nobody will before this.
    seen=$(probes)
    wait_for 60 probed $((seen + 2))
    kill -0 $loader 2>/dev/null || break
    start=$(now)
    # With the priority that the unit gives it.
    setsid nice -n -10 cowctl daemon run >>/tmp/daemon.log 2>&1 &
    daemon=$!
    # Four in five are killed before they serve, or hardly when they do.
    if [ $((kill % 5)) -lt 4 ] && [ "$kill" -lt 50 ]; then
        sleep "0.$((RANDOM % 5))$((RANDOM % 10))"
        rm -f /tmp/dead
        continue
    fi
    wait_for 60 attached
    took=$(($(now) - start))
    rm -f /tmp/dead
    served=$((served + 1))
    [ "$took" -le "$longest" ] || longest=$took
    sleep "0.$((RANDOM % 5))$((RANDOM % 10))"
done
touch /tmp/stop
wait $loader || fail "after $kill kills: $(cat "$CASE_STATE/reason" 2>/dev/null)"
wait $prober || fail "reads and writes of placed chunks: $(tail -n 1 /tmp/probe.out)"
note turns_of_load "$(cat /tmp/turns)"
note placed_read_and_write_ms "$(tr '\n' ' ' </tmp/probe.out)"
note serving_again_ms_max "$longest of $served"
# The thread of the device was started as an ordinary one.
others=$(ps -L -p "$daemon" -o ni=,comm= | awk '$1 != -10')
[ -z "$others" ] || fail "threads with another priority than the daemon's: $others"
after=$(content /dev/mapper/x)
cowctl remove x
cowctl check "$COW_DISK"
cowctl create x "$BASE_DISK" "$COW_DISK" --size 64M
[ "$(content /dev/mapper/x)" = "$after" ] || fail "the store has not all that the kernel had"
cmp -n 1048576 /tmp/first /dev/mapper/x || fail "the chunks that were read and written back are not what they were"
cowctl remove x
[ "$(content "$BASE_DISK")" = "$before" ] || fail "the base was written"
