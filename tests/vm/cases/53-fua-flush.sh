# SPDX-License-Identifier: MIT
# What a completed flush or FUA write promises: nothing before it is uncommitted, whatever the state of the chunk and
# however many ask at once. With nothing uncommitted no daemon is needed; else the flush waits for the next one.
# timeout: 400
# shellcheck shell=bash
require_module
. /payload/cases/uncommitted.inc
random_base
before=$(content "$BASE_DISK")
blank "$COW_DISK"

flushes() { awk '{ print $16 }' "/sys/block/${COW_DISK##*/}/stat"; }

cowctl create x "$BASE_DISK" "$COW_DISK" 64
some_after /dev/mapper/x plain 10 0
none_after /dev/mapper/x fsync 10 2
none_after /dev/mapper/x dsync 10 4
none_after /dev/mapper/x both 10 6
none_after /dev/mapper/x dsync 10 6
[ "$(cowctl status x --json | jq '.devices[0].uncommittedChunks')" = 0 ] || fail "cowctl status disagrees"

# Sixteen that write and sync: no more device flushes than two for each sync, fewer where they share.
begun=$(flushes)
fio --name=many --filename=/dev/mapper/x --numjobs=16 --offset=16M --offset_increment=2M --size=2M --io_size=96k --rw=randwrite --bs=4k \
    --direct=1 --ioengine=psync --fsync=1 --verify=crc32c --do_verify=1 --group_reporting --minimal >/tmp/fio.out 2>&1 ||
    { cat /tmp/fio.out; fail "16 jobs"; }
settled() { [ "$(status_field x 2)" = 0 ]; }
wait_for 10 settled
used=$(($(flushes) - begun))
note flushes_of_384_concurrent_syncs "$used"
[[ $used -gt 0 && $used -le 768 ]] || fail "$used device flushes for 384 syncs"

# A dead daemon: places that are committed need none. The rest waits for the next one, which any command starts.
sync_in() { timeout "$1" python3 -c 'import os; os.fsync(os.open("/dev/mapper/x", os.O_RDWR))'; }
pid=$(daemon_pid)
kill -9 "$pid"
wait_for 10 test ! -e "/proc/$pid"
sync_in 10 || fail "a flush with nothing uncommitted needs the daemon"
none_after /dev/mapper/x dsync 5 4
none_after /dev/mapper/x fsync 5 2
[ "$(status_field x 6)" = absent ] || fail "who serves it? $(dmsetup status x)"
cowctl status x
[ "$(status_field x 6)" = attached ] || fail "no command has started the daemon"

for turn in 1 2 3 4 5; do
    after /dev/mapper/x plain 1 $((48 + turn))
    kill -9 "$(daemon_pid)"
    [ "$(status_field x 2)" = 0 ] || break
    cowctl status x >/dev/null
done
[ "$(status_field x 2)" -gt 0 ] || fail "never dead before the commit"
sync_in 60 &
waiter=$!
sleep 2
kill -0 $waiter 2>/dev/null || fail "a flush completed though its places are not committed and no daemon lives"
attached() { [ "$(status_field x 6)" = attached ]; }
now() { echo $((${EPOCHREALTIME/./} / 1000)); }
begun=$(now)
cowctl status x >/dev/null &
wait_for 60 attached
serves=$(now)
wait $waiter || fail "the flush fails with the new daemon"
flushed=$(now)
wait
note flush_after_restart_ms "served $((flushed - begun)) after the command, $((flushed - serves)) after the daemon has attached"
[ $((flushed - serves)) -le 5000 ] || fail "the flush waits $((flushed - serves)) ms for a daemon that is there"
[ "$(status_field x 2)" = 0 ] || fail "uncommitted after that flush: $(dmsetup status x)"
cowctl remove x
cowctl check "$COW_DISK"
[ "$(content "$BASE_DISK")" = "$before" ] || fail "the base was written"
