# SPDX-License-Identifier: MIT
# timeout: 900
# The daemon is killed 50 times at random moments under verified load: no I/O error, nothing lost, and placed chunks never wait for it.
require_module
random_base
blank "$COW_DISK"
before=$(content "$BASE_DISK")
cowctl create x "$BASE_DISK" "$COW_DISK" 16 --size 64M
dd if=/dev/urandom of=/dev/mapper/x bs=64k count=16 oflag=direct conv=fsync status=none

# Write and verify, each turn elsewhere, until told to stop.
load() {
    local turn=0
    while [ ! -e /tmp/stop ]; do
        turn=$((turn + 1))
        stamp /dev/mapper/x $turn --offset=$((8 + turn % 7 * 8))M --size=8M --io_size=512k --fsync=32
        verify /dev/mapper/x $turn --offset=$((8 + turn % 7 * 8))M --size=8M --io_size=512k
    done
    echo "$turn" >/tmp/turns
}
attached() { dmsetup status x | grep -q ' attached '; }
now() { local t=${EPOCHREALTIME/[.,]/}; echo $((t / 1000)); }
# Milliseconds of a read and a write of chunks that have their place.
placed_io() {
    local start
    start=$(now)
    timeout 30 dd if=/dev/mapper/x of=/tmp/block bs=4k count=1 skip=$((RANDOM % 256)) iflag=direct status=none || fail "a read of a placed chunk failed or stalled"
    timeout 30 dd if=/tmp/block of=/dev/mapper/x bs=4k count=1 seek=$((RANDOM % 256)) oflag=direct conv=notrunc status=none || fail "a write of a placed chunk failed or stalled"
    echo $(($(now) - start))
}

load &
loader=$!
slowest=0 longest=0
RANDOM=7
for kill in $(seq 1 50); do
    sleep "$((RANDOM % 2)).$((RANDOM % 10))"
    pkill -9 -x cowctl
    took=$(placed_io)
    [ "$took" -le "$slowest" ] || slowest=$took
    start=$(now)
    COWCTL_PINNED=1 setsid cowctl daemon run >>/tmp/daemon.log 2>&1 &
    wait_for 60 attached
    took=$(($(now) - start))
    [ "$took" -le "$longest" ] || longest=$took
    kill -0 $loader 2>/dev/null || break
done
touch /tmp/stop
wait $loader || fail "after $kill kills: $(cat "$CASE_STATE/reason" 2>/dev/null)"
note turns_of_load "$(cat /tmp/turns)"
note placed_read_and_write_while_dead_ms_max "$slowest"
note serving_again_ms_max "$longest"
wait_for 60 cowctl list >/dev/null
cowctl remove x
cowctl check "$COW_DISK"
[ "$(content "$BASE_DISK")" = "$before" ] || fail "the base was written"
