# SPDX-License-Identifier: MIT
# A daemon never waits for its own devices, whoever started it: all of it is locked in memory, every thread is marked as one that serves I/O, and it is
# not killed for memory.
require_module
# What PR_SET_IO_FLUSHER sets: PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE.
IO_FLUSHER=$((0x180000))
pinned() {
    local pid task flags loose
    pid=$(daemon_pid)
    [ "$(cowctl daemon status --json | jq .pinned)" = true ] || fail "$1: it says that it is not pinned"
    [ "$(cat "/proc/$pid/oom_score_adj")" = -1000 ] || fail "$1: it may be killed for memory"
    # All that is resident but for the kernel's own pages.
    loose=$(awk '/^[0-9a-f]+-/ { what = $1 " " $6 } /^Rss:/ { resident = $2 } /^VmFlags:/ && resident && !/ lo/ && what !~ /\[v/ { print what }' \
        "/proc/$pid/smaps")
    [ -z "$loose" ] || fail "$1: not locked in memory: $loose"
    for task in "/proc/$pid/task"/*; do
        flags=$(sed 's/.*) //' "$task/stat" | cut -d' ' -f7)
        [ $((flags & IO_FLUSHER)) = $IO_FLUSHER ] || fail "$1: a thread that may wait for its own device: $(cat "$task/comm"), flags $flags"
    done
}
blank "$COW_DISK"
cowctl create x "$BASE_DISK" "$COW_DISK" --size 64M
pinned "started by create"
old=$(daemon_pid)
setsid cowctl daemon run --takeover >/tmp/daemon.log 2>&1 &
replaced() { [ -n "$(daemon_pid)" ] && [ "$(daemon_pid)" != "$old" ] && [ "$(status_field x 6)" = attached ]; }
wait_for 60 replaced
dd if=/dev/zero of=/dev/mapper/x bs=64k count=4 oflag=direct conv=fsync status=none
pinned "taken over"
cowctl remove x
