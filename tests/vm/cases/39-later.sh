# SPDX-License-Identifier: MIT
# timeout: 400
# What keeps a device from being served, or from being created at boot, may go: meanwhile it is shown with its reason, tried again, and can be removed.
# shellcheck shell=bash
require_module
truncate -s 64M /tmp/base.img
log=/tmp/daemon.log
state=/run/dm-cow/x.json

start() {
    : >$log
    setsid cowctl daemon run >>$log 2>&1 &
    wait_for 60 cowctl daemon status
}
ended() { ! pgrep -x cowctl >/dev/null; }
end() {
    pkill -KILL -x cowctl
    wait_for 60 ended
}
# A backup, as it locks what it reads: nobody else may write it.
cat >/tmp/lock.py <<'P'
import fcntl, os, struct, sys, time
F_OFD_SETLK, DENIES_WRITES = 37, 201
file = os.open(sys.argv[1], os.O_RDONLY)
fcntl.fcntl(file, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, DENIES_WRITES, 1, 0))
open("/tmp/locked", "w").close()
time.sleep(600)
P
lock() {
    rm -f /tmp/locked
    python3 /tmp/lock.py /tmp/x.cow &
    locker=$!
    wait_for 30 test -e /tmp/locked
}
unlock() {
    kill $locker
    wait $locker || true
}
is() { [ "$(cowctl status x --json 2>/dev/null | jq -r '.devices[0].state')" = "$1" ]; }
told() { grep -c "$1" $log || true; }
put() { dd if=/payload/random of=/dev/mapper/x bs=64k skip="$1" seek="$1" count=4 status=none; }
find_again() { cmp -i $(($1 * 65536)) -n 262144 /payload/random /dev/mapper/x || fail "the data at $1 is gone"; }
# The daemon is killed before its timer commits what was written.
end_uncommitted() {
    local at=100 uncommitted=0
    until [ "$uncommitted" -gt 0 ]; do
        [ $at -lt 900 ] || fail "all was committed before the daemon could be killed"
        cowctl list >/dev/null
        put $at
        end
        uncommitted=$(status_field x 2)
        last=$at at=$((at + 8))
    done
}

# Its store is locked while the next daemon starts.
cowctl create x /tmp/base.img /tmp/x.cow 16 --no-grants
put 0
end
lock
start
is failed || fail "$(cowctl list 2>&1)"
cowctl status x | grep -q "in use by a virtual machine" || fail "$(cowctl status x)"
cowctl list | grep -q '^x .*failed' || fail "$(cowctl list)"
for verb in compact remove extend; do
    expect_fail cowctl $verb x
    [[ $OUTPUT == *"is not served"*"in use by a virtual machine"* ]] || fail "$OUTPUT"
done
put 40 &
writer=$!
sleep 8
kill -0 $writer || fail "a first write did not wait"
[ "$(told 'is not served')" = 1 ] || fail "told more than once: $(cat $log)"
unlock
wait $writer || fail "the write failed"
is active || fail "$(cowctl status x)"
[ "$(told 'is served again')" = 1 ] || fail "$(cat $log)"
find_again 0
find_again 40

# It is removed although its store cannot be opened: that one stays as it is.
end_uncommitted
lock
start
expect_fail cowctl remove x
dmsetup info x >/dev/null || fail "it was removed without --force"
before=$(xxhsum </tmp/x.cow)
cowctl remove x --force
[ "$(xxhsum </tmp/x.cow)" = "$before" ] || fail "the store was written"
! dmsetup info x >/dev/null 2>&1 || fail "the device is left"
[ -z "$(losetup -n -O NAME)" ] || fail "a loop device is left"
[ ! -e $state ] || fail "a state file is left"
[ -z "$(cowctl list --json | jq -r '.devices[].name')" ] || fail "$(cowctl list)"
unlock
cowctl check /tmp/x.cow

# Configured for boot, and removed by hand with changes that only the kernel has: it is not created anew over them.
cowctl create x /tmp/base.img /tmp/x.cow --at-boot
end_uncommitted
dmsetup remove x
lock
start
sleep 4
is failed || fail "$(cowctl list)"
[ -e $state ] || fail "its state is gone: $(cat $log)"
expect_fail cowctl create x /tmp/base.img /tmp/x.cow
[[ $OUTPUT == *"not in its store yet"* ]] || fail "$OUTPUT"
unlock
wait_for 30 is active
find_again "$last"

# The daemon dies in the middle of a removal, and somebody opens the device before the next one starts: that one serves it.
removing() {
    end
    sed -i 's/"phase":"[A-Za-z]*"/"phase":"Removing"/' $state
    grep -q '"phase":"Removing"' $state || fail "no such phase: $(cat $state)"
}
removing
exec 9</dev/mapper/x
start
cowctl status x >/dev/null || fail "it is not there: $(cat $log)"
put 60
grep -q '"phase":"Active"' $state || fail "the next daemon would remove it: $(cat $state)"
cowctl compact x
exec 9<&-
# And once more: it is removed, and not created again.
removing
start
expect_fail cowctl status x
[ ! -e /etc/dm-cow/x.json ] || fail "it would be created at boot"
! dmsetup info x >/dev/null 2>&1 || fail "the device is left"

# The next golden image has the name of its base, or nothing has: the device stays on the old one.
cowctl create x /tmp/base.img /tmp/x.cow 16
put 0
for next in rm "cp /tmp/base.img /tmp/next.img; mv /tmp/next.img"; do
    end
    cp --sparse=always /tmp/base.img /tmp/kept.img
    eval "$next /tmp/base.img"
    start
    wait_for 60 is active
    put 20
    find_again 20
    mv /tmp/kept.img /tmp/base.img
done
cowctl remove x

# A disk that comes late.
disk="0 $(blockdev --getsz "$COW_DISK") linear $COW_DISK 0"
blank "$COW_DISK"
dmsetup create late --table "$disk"
cowctl create x /tmp/base.img /dev/mapper/late 16 --at-boot
put 0
cowctl daemon stop
wait_for 60 ended
dmsetup remove x
wait_for 10 dmsetup remove late
start
wait_for 60 is waiting
cowctl status x | grep -q "/dev/mapper/late" || fail "$(cowctl status x)"
sleep 4
[ "$(told 'is not created')" = 1 ] || fail "told more than once: $(cat $log)"
dmsetup create late --table "$disk"
wait_for 30 is active
find_again 0
cowctl remove x
dmsetup remove late

# One bad file does not keep the others from being served, and what keeps the daemon from starting is a sentence.
cowctl create x /tmp/base.img /tmp/x.cow --at-boot
end
echo '{}' >/etc/dm-cow/a.json
echo '{"Name":"b","Cow":"/tmp/x.cow"}' >/etc/dm-cow/b.json
ln -s c.json /etc/dm-cow/c.json
ln -s d.json /run/dm-cow/d.json
start
is active || fail "$(cat $log)"
[ "$(told 'is passed over')" = 4 ] || fail "$(cat $log)"
end
rm -f /run/dm-cow/daemon.pid
ln -s daemon.pid /run/dm-cow/daemon.pid
status=0
OUTPUT=$(cowctl daemon run 2>&1) || status=$?
[[ $status == 11 && $OUTPUT == *daemon.pid* && $OUTPUT != *"   at "* ]] || fail "exit $status: $OUTPUT"
rm /run/dm-cow/daemon.pid /run/dm-cow/d.json
start
cowctl remove x
