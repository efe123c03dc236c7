# SPDX-License-Identifier: MIT
# timeout: 400
# 200 collapses under verified load, alternating with fsyncs: no I/O fails. Then suspend, resume, wipe_table and remove by hand while faults wait.
require_module
random_base
blank "$COW_DISK"
cowctl create x "$BASE_DISK" "$COW_DISK" 8 --size 64M --segments 32

load() {
    local turn=0
    while [ ! -e /tmp/stop ]; do
        turn=$((turn + 1))
        stamp /dev/mapper/x $turn --offset=$((turn % 8 * 8))M --size=8M --io_size=512k --fsync=16
        verify /dev/mapper/x $turn --offset=$((turn % 8 * 8))M --size=8M --io_size=512k
    done
}
load &
loader=$!
# One client for all of them: starting cowctl two hundred times would measure the runtime.
cat >/tmp/compact.py <<'END'
import json, os, socket
collapsed = 0
longest = 0
while collapsed < 200:
    s = socket.socket(socket.AF_UNIX)
    s.connect("/run/dm-cow/daemon.sock")
    s.sendall(b'{"verb":"compact","name":"x"}\n')
    answer = json.loads(s.makefile().readline())
    if answer.get("error"):
        raise SystemExit(answer["error"]["reason"])
    pause = answer["compaction"]["pauseMilliseconds"]
    collapsed += pause > 0
    longest = max(longest, pause)
    if collapsed % 2:
        fd = os.open("/dev/mapper/x", os.O_RDWR)
        os.fsync(fd)
        os.close(fd)
print("%d %.1f" % (collapsed, longest))
END
read -r collapsed longest < <(timeout 300 python3 /tmp/compact.py || true)
touch /tmp/stop
wait $loader || fail "the load failed: $(cat "$CASE_STATE/reason" 2>/dev/null)"
[ "${collapsed:-0}" = 200 ] || fail "only ${collapsed:-none} collapses"
note collapses "$collapsed"
note longest_reload_pause_ms "$longest"
cowctl remove x

# By hand, while first writes wait for a daemon that is stopped.
blank "$COW_DISK"
cowctl create x "$BASE_DISK" "$COW_DISK" 8 --size 64M
kill -STOP "$(pgrep -x cowctl)"
dd if=/dev/urandom of=/dev/mapper/x bs=4k count=1 oflag=direct status=none &
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

kill -STOP "$(pgrep -x cowctl)"
dd if=/dev/urandom of=/dev/mapper/x bs=4k count=1 seek=100 oflag=direct status=none 2>/dev/null &
writer=$!
wait_for 20 waiting
dmsetup wipe_table --force x
! wait $writer || fail "a write into an error table succeeded"
dmsetup remove x
kill -CONT "$(pgrep -x cowctl)"
cowctl create x "$BASE_DISK" "$COW_DISK" --size 64M
cowctl remove x
cowctl check "$COW_DISK"
