# SPDX-License-Identifier: MIT
# dm-log-writes under the CoW device: whatever a power cut leaves of a store, at every FLUSH and FUA write and at 20
# subsets between, opens, checks clean, and holds what had been synced and nothing that was never written there.
# timeout: 400
# shellcheck shell=bash
require_module
modprobe dm-log-writes
random_base
# The log has what a flush covers when that flush ends, and two flush: the kernel for whoever syncs, the daemon for its metadata. On
# two processors the one that began first may end last; then a mark would come before what it promises.
one_processor

# one_store FORMAT CHUNK WRITES SPAN [COMMAND...]: the command runs beside the writes.
one_store() {
    local format=$1 chunk=$2 writes=$3 span=$4 seed=$RANDOM log=/tmp/replay.log disturber='' status=0
    shift 4
    blank "$COW_DISK"
    blank "$LOG_DISK" 1
    dmsetup create logged --table "0 $(blockdev --getsz "$COW_DISK") log-writes $COW_DISK $LOG_DISK"
    cowctl create x "$BASE_DISK" /dev/mapper/logged "$chunk" --format "$format"
    if [ $# -gt 0 ]; then
        "$@" &
        disturber=$!
    fi
    synced /dev/mapper/x /tmp/journal logged "$seed" "$writes" "$span" || fail "the workload failed"
    [ -z "$disturber" ] || wait "$disturber" || fail "failed beside the workload: $*"
    cowctl remove x
    dmsetup remove logged
    /payload/replay/replay "$LOG_DISK" /tmp/journal "$BASE_DISK" "$format" "$(blockdev --getsize64 "$COW_DISK")" \
        "$(blockdev --getsize64 "$BASE_DISK")" "$seed" >$log 2>&1 || status=$?
    cat $log
    [ $status -eq 0 ] || fail "$format, chunk $chunk: $(tail -n 1 $log)"
    note "${format}_$chunk" "$(grep '^held' $log)"
}

# Writes to linear lines go another way than the rest.
compact() {
    sleep 1
    cowctl compact x
}
# A daemon that dies between data and metadata, or in the middle of the latter.
kill_it() {
    sleep 1
    kill -9 "$(daemon_pid)"
    cowctl status x
}
# Small chunks: with 256 in a metadata area, several areas are begun.
one_store snapshot 64 300 $((32 << 20))
one_store snapshot 8 300 $((64 << 20)) kill_it
one_store bitmap 64 300 $((32 << 20)) compact
