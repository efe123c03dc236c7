# SPDX-License-Identifier: MIT
# Policy no_controller: with error, what needs the controller fails as many seconds after it went as the line says, and none earlier. What needs none goes
# on, and all does once somebody serves again.
require_module
random_base
blank "$COW_DISK"
served() { [ "$(status_field x 6)" = attached ]; }
alone() { [ "$(status_field x 6)" = absent ]; }
kill_daemon() {
    pkill -KILL -x cowctl
    wait_for 10 alone
}
restart() {
    cowctl list >/dev/null
    wait_for 60 served
}
# policy WORDS...: as somebody gives it by hand.
policy() {
    dmsetup reload x --table "0 $SECTORS cow x $BASE_DISK $COW_DISK 8 $# $*"
    dmsetup suspend --noflush x
    dmsetup resume x
    dmsetup table x | grep -q " $*\$" || fail "the table does not say $*: $(dmsetup table x)"
}
put() { dd if=/tmp/data of=/dev/mapper/x bs=4k seek="$1" oflag=direct conv=notrunc status=none; }
chunk() { dd if="$1" bs=4k skip="$2" count=1 iflag=direct status=none; }
is_there() { cmp -s /tmp/data <(chunk /dev/mapper/x "$1"); }
now() { echo $((${EPOCHREALTIME/./} / 1000)); }
# fails_after CHUNK SECONDS: behind $begun, and not much later.
fails_after() {
    local took
    expect_fail timeout 60 dd if=/dev/zero of=/dev/mapper/x bs=4k seek="$1" count=1 oflag=direct conv=notrunc
    took=$(($(now) - begun))
    [[ $OUTPUT == *"Input/output error"* ]] || fail "not an I/O error: $OUTPUT"
    [ $took -ge $(($2 * 1000)) ] || fail "it failed after $took ms, not $2 s"
    [ $took -lt $(($2 * 1000 + 20000)) ] || fail "it failed as late as after $took ms, not $2 s"
}

head -c 4K /dev/urandom >/tmp/data
cowctl create x "$BASE_DISK" "$COW_DISK" 8 --size 64M --no-grants
dd if=/dev/zero of=/dev/mapper/x bs=4k count=1 oflag=direct conv=fsync status=none
kill_daemon
policy no_controller error
begun=$(now)
fails_after 10 0
put 0
is_there 0 || fail "a chunk that has its place is not written"
cmp <(chunk /dev/mapper/x 20) <(chunk "$BASE_DISK" 20) || fail "the base does not read"

# With a time, and from the moment that it went.
restart
put 10
policy no_controller error 3
put 11
begun=$(now)
kill_daemon
fails_after 12 3
begun=$(now)
fails_after 13 0
restart
for chunk in 12 13; do put $chunk; done
# Back in time: nobody notices.
policy no_controller error 120
kill_daemon
put 14 &
writer=$!
restart
wait $writer || fail "a write failed though somebody serves again"
kill_daemon
policy no_controller wait
put 16 &
writer=$!
sleep 4
kill -0 $writer || fail "a write did not wait"
restart
wait $writer || fail "a write that waited failed"
before=$(content /dev/mapper/x)
cowctl remove x

# Places that were granted are taken also when the time is over.
cowctl create x "$BASE_DISK" "$COW_DISK" --size 64M
[ "$(content /dev/mapper/x)" = "$before" ] || fail "not all is found again"
granted() { [ "$(status_field x 5)" -gt 0 ]; }
put 30
wait_for 60 granted
kill_daemon
policy no_controller error
sleep 1
put 31
is_there 31 || fail "a granted place was not taken"
cowctl remove x
cowctl check "$COW_DISK"
