# SPDX-License-Identifier: MIT
# An existing store is opened again and again, by create, and by a new daemon: a reader that hammers it never sees the base where the store has a place.
require_module
blank "$BASE_DISK" 32
blank "$COW_DISK"
head -c 32M /dev/zero | tr '\0' U >/tmp/ones

cowctl create x "$BASE_DISK" "$COW_DISK" 8 --size 32M
dd if=/tmp/ones of=/dev/mapper/x bs=1M oflag=direct status=none
cowctl remove x

# Reads as soon as the node is there; a zero byte is the base.
hammer() {
    local turn
    for turn in $(seq 1 200); do
        [ -e /dev/mapper/x ] || { sleep 0.02; continue; }
        dd if=/dev/mapper/x bs=256k count=8 skip=$((turn * 7 % 120)) iflag=direct status=none 2>/dev/null | tr -d 'U' >>/tmp/seen
        [ ! -s /tmp/seen ] || return 0
        [ ! -e /tmp/stop ] || return 0
    done
}
for round in 1 2 3 4 5; do
    : >/tmp/seen
    rm -f /tmp/stop
    hammer &
    reader=$!
    cowctl create x "$BASE_DISK" "$COW_DISK" --size 32M
    sleep 0.5
    kill -9 "$(daemon_pid)"
    cowctl list >/dev/null || true
    cowctl compact x || true
    sleep 0.5
    touch /tmp/stop
    wait "$reader"
    [ ! -s /tmp/seen ] || fail "round $round: a read saw the base"
    cowctl remove x
done
