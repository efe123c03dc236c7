# SPDX-License-Identifier: MIT
# timeout: 600
# While no daemon runs, names are given to other files and devices: the next daemon writes to none of them, and takes away none. And a daemon killed just
# when its device goes live leaves a device that is served.
# shellcheck shell=bash
require_module
modprobe loop
mkfs.ext4 -q "$EXTRA1"
mkdir -p /img
mount "$EXTRA1" /img
cd /img || fail "no /img"
random_base
head -c 4M /dev/urandom >/tmp/data

kill_daemon() {
    pkill -KILL -x cowctl || true
    while pgrep -x cowctl >/dev/null; do sleep 0.05; done
}
# serve COMMAND...: a new daemon, which in time makes that true.
serve() {
    kill_daemon
    setsid cowctl daemon run >/tmp/daemon.log 2>&1 &
    wait_for 60 "$@"
}
logged() { grep -q "$1" /tmp/daemon.log; }
gone() { [ ! -e "$1" ]; }
put() { dd if=/tmp/data of="/dev/mapper/$1" bs=64k seek="$2" status=none "${@:3}"; }
find_again() { cmp -n 4194304 /tmp/data <(dd if="/dev/mapper/$1" bs=64k skip="$2" iflag=direct status=none) || fail "$1: the data is gone"; }
head_of() { dd if="$1" bs=1M count=8 iflag=direct status=none | digest; }
live() { dmsetup info "$1" 2>/dev/null | grep -q 'Tables present:.*LIVE'; }

# Another store is in the loop device, and the kernel still holds what nobody has committed.
cowctl create vm2 "$BASE_DISK" vm2.cow 64 --size 64M
put vm2 0
cowctl remove vm2
before=$(digest <vm2.cow)
cowctl create vm1 "$BASE_DISK" vm1.cow 64 --size 64M
loop=$(losetup -n -O NAME -j vm1.cow)
uncommitted=0 at=0
until [ "$uncommitted" -gt 0 ]; do
    [ $at -lt 900 ] || fail "all was committed before the daemon could be killed"
    cowctl list >/dev/null
    put vm1 $at
    kill_daemon
    uncommitted=$(status_field vm1 2)
    at=$((at + 64))
done
dmsetup remove vm1
losetup -d "$loop"
losetup "$loop" vm2.cow
serve logged "vm1: is not served: $loop is not what it was made with"
[ "$(digest <vm2.cow)" = "$before" ] || fail "the store of another device was written"

# What is given up leaves that loop device alone.
cat >/tmp/abandon.py <<'P'
import fcntl, os, struct
EVENT, REPLY = struct.Struct("<IIQQQQQIIQ"), struct.Struct("<IIQQQQQQIIII")
PICTURE_END, ABANDON = 8, 9
channel = os.open("/dev/dm-cow", os.O_RDWR)
attach = bytearray(struct.pack("<IIII64x128s", 2, EVENT.size, REPLY.size, 0, b"vm1"))
fcntl.ioctl(channel, 3 << 30 | len(attach) << 16 | 0xdc << 8 | 1, attach)
while EVENT.unpack(os.read(channel, EVENT.size))[0] != PICTURE_END:
    pass
os.write(channel, REPLY.pack(ABANDON, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, struct.unpack_from("<I", attach, 28)[0]))
P
timeout 50 python3 /tmp/abandon.py || fail "it cannot be abandoned"
serve gone /run/dm-cow/vm1.json
[ "$(losetup -n -O BACK-FILE "$loop")" = /img/vm2.cow ] || fail "somebody else's loop device was detached"
losetup -d "$loop"

# A copy has the name of an image: metadata would go to the one, data to the other.
qemu-img create -q -f qcow2 img.qcow2 64M
cowctl open img img.qcow2
put img 0 conv=fsync
kill_daemon
ln img.qcow2 kept.qcow2
cp img.qcow2 copy.qcow2
mv copy.qcow2 img.qcow2
before=$(digest <img.qcow2)
serve logged "img: is not served: .*img.qcow2 is not what it was made with"
[ "$(digest <img.qcow2)" = "$before" ] || fail "the copy was written"
mv kept.qcow2 img.qcow2
serve logged "img: is served again"
find_again img 0
cowctl remove img
qemu-img check -q img.qcow2

# Another volume has the name of the store.
volume=$(lsblk -ndo MAJ:MIN "$EXTRA2" | tr -d ' ')
blank "$EXTRA2"
dmsetup create one --table "0 131072 linear $volume 0"
dmsetup create other --table "0 131072 linear $volume 131072"
cowctl create v "$BASE_DISK" /dev/mapper/one 64 --size 32M
put v 0 conv=fsync
kill_daemon
dmsetup rename one away
dmsetup rename other one
before=$(head_of /dev/mapper/one)
serve logged "v: is not served: /dev/mapper/one is not what it was made with"
[ "$(head_of /dev/mapper/one)" = "$before" ] || fail "another volume was written"
dmsetup rename one other
dmsetup rename away one
serve logged "v: is served again"
find_again v 0
cowctl remove v
dmsetup remove one
dmsetup remove other

# Somebody made a table of ours over another store.
blank "$COW_DISK"
cowctl create x "$BASE_DISK" "$COW_DISK" 64 --size 64M
kill_daemon
dmsetup remove x
dmsetup create x -u COWCTL-x --table "0 $SECTORS cow x $BASE_DISK $EXTRA2 64"
before=$(head_of "$EXTRA2")
serve logged "x: is not served: its table was replaced by hand"
[ "$(head_of "$EXTRA2")" = "$before" ] || fail "what another table leads to was written"
dmsetup remove x
serve gone /run/dm-cow/x.json

# Nothing was live yet, with a table that waits and without one.
for waits in yes no; do
    blank "$COW_DISK"
    cowctl create x "$BASE_DISK" "$COW_DISK" 64 --size 64M
    put x 0 conv=fsync
    kill_daemon
    dmsetup remove x
    dmsetup create x -u COWCTL-x --notable
    [ $waits = no ] || dmsetup load x --table "0 $SECTORS cow x $BASE_DISK $COW_DISK 64"
    serve logged "x: is served again"
    live x || fail "$waits: there is no live table"
    find_again x 0
    cowctl remove x
done

# Stopped at each ioctl, and killed at the first one that finds it live.
serve cowctl list
daemon=$(pgrep -x cowctl)
strace -f -qq -o /dev/null -e trace=ioctl -e inject=ioctl:signal=SIGSTOP -p "$daemon" &
tracer=$!
traced() { ! grep -q '^TracerPid:.0$' "/proc/$daemon/status"; }
wait_for 30 traced
cowctl create z "$BASE_DISK" z.cow 64 --size 64M >/dev/null 2>&1 &
client=$!
until live z; do
    kill -0 $client 2>/dev/null || fail "z was made or refused, and never seen live"
    case $(cut -d' ' -f3 "/proc/$daemon/stat") in
    T | t) live z || kill -CONT "$daemon" ;;
    esac
    sleep 0.02
done
kill -9 "$daemon"
wait $tracer || true
wait $client || true
serve logged "z: is served again"
[ -f z.cow ] || fail "the store of a live device was deleted"
live z || fail "a live device was removed"
put z 0 conv=fsync
cowctl remove z

# Extended is the loop device that serves, not another one on the same file.
truncate -s 1M other.img
first=$(losetup -f --show other.img)
cowctl create e "$BASE_DISK" e.cow 64 --size 64M
serving=$(losetup -n -O NAME -j e.cow)
losetup -d "$first"
losetup -r "$first" e.cow
cowctl extend e 200M
[ "$(blockdev --getsize64 "$serving")" = 209715200 ] || fail "$serving was not extended"
[ "$(blockdev --getsize64 "$first")" != 209715200 ] || fail "$first was"
cowctl remove e
[ "$(losetup -n -O BACK-FILE "$first")" = /img/e.cow ] || fail "somebody else's loop device was detached"
losetup -d "$first"
