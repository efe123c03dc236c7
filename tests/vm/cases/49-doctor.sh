# SPDX-License-Identifier: MIT
# doctor on a machine that is well, and on others: one sentence for each thing that is wrong, and what to do. It starts and changes nothing.
require_module
random_base
blank "$COW_DISK"
# finds SENTENCE...: exactly these.
finds() {
    local status=0 sentence
    OUTPUT=$(cowctl doctor) || status=$?
    echo "$OUTPUT"
    [ $status = 12 ] || fail "exit $status, not 12: $OUTPUT"
    for sentence; do
        grep -qF -- "$sentence" <<<"$OUTPUT" || fail "does not say '$sentence': $OUTPUT"
    done
    [ "$(cowctl doctor --json | jq '.findings | length')" = $# ] || fail "not $# findings: $OUTPUT"
}
gone() { ! pgrep -x cowctl >/dev/null; }
kill_daemon() {
    pkill -KILL -x cowctl
    wait_for 10 gone
}
no_daemon() { [ -z "$(daemon_pid)" ] || fail "a daemon was started"; }

cowctl create x "$BASE_DISK" "$COW_DISK" 16 --size 64M
cowctl doctor || fail "something is wrong with a healthy device: $(cowctl doctor)"
kill_daemon
finds "daemon: does not run though there are devices, so first writes wait; run \"cowctl list\"" \
    "x: has no controller, so first writes wait; run \"cowctl list\""
no_daemon

# Removed by hand, with changes that the kernel alone has.
uncommitted=0 at=0
until [ "$uncommitted" -gt 0 ]; do
    [ $at -lt 1000 ] || fail "all was committed before the daemon could be killed"
    cowctl list >/dev/null
    dd if=/payload/random of=/dev/mapper/x bs=64k seek=$at count=8 oflag=direct status=none
    kill_daemon
    uncommitted=$(status_field x 2)
    at=$((at + 8))
done
dmsetup remove x
finds "daemon: does not run though there are devices" \
    "x: was removed with " "x: has a state file under /run/dm-cow but no device"
grep -q 'runs of changes that are not yet in its store; run "cowctl list": the daemon commits them when it starts' <<<"$OUTPUT" || fail "$OUTPUT"
no_daemon
! dmsetup info x >/dev/null 2>&1 || fail "the device was made again"

# What it advises helps.
cowctl list
wait_for 20 cowctl doctor
