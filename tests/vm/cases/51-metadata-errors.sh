# SPDX-License-Identifier: MIT
# Only the metadata area of the store fails to be written: the flush fails, the device turns read-only and says why, what
# was durable is there, the rest reads on. Once more with an area that also refuses the CoW device's own flush.
# timeout: 400
# shellcheck shell=bash
require_module
modprobe dm-flakey
random_base
before=$(content "$BASE_DISK")
head -c 4M /dev/urandom >/tmp/durable
head -c 64K /dev/urandom >/tmp/lost
size=$(blockdev --getsz "$COW_DISK")

# The store's chunk 0 is the header, chunk 1 the first area. Target "error" takes no flushes, flakey fails them too.
area() {
    case $1 in
    good) echo "linear $COW_DISK 64" ;;
    unwritable) echo "error" ;;
    unflushable) echo "flakey $COW_DISK 64 0 3600 1 error_writes" ;;
    esac
}
mosaic() { printf '%s\n' "0 64 linear $COW_DISK 0" "64 64 $(area "$1")" "128 $((size - 128)) linear $COW_DISK 128"; }
swap() {
    mosaic "$1" | dmsetup load mosaic
    dmsetup resume mosaic
}
# found FILE MIB: the file's data is on the device, that far into it.
found() { cmp -n "$(stat -c %s "$1")" "$1" <(dd if=/dev/mapper/x bs=1M skip="$2" count=4 iflag=direct status=none); }
base_shows() {
    cmp <(dd if=/dev/mapper/x bs=1M skip="$1" count=4 iflag=direct status=none) \
        <(dd if="$BASE_DISK" bs=1M skip="$1" count=4 iflag=direct status=none)
}
# try MIB: writes 64 KiB there and syncs; prints the step that failed and why.
try() {
    python3 - "$1" <<'P'
import mmap, os, sys
fd = os.open("/dev/mapper/x", os.O_RDWR | os.O_DIRECT)
data = mmap.mmap(-1, 65536)
data[:] = open("/tmp/lost", "rb").read()
step = "write"
try:
    os.pwritev(fd, [data], int(sys.argv[1]) << 20)
    step = "fsync"
    os.fsync(fd)
    print("done")
except OSError as e:
    print(step, os.strerror(e.errno))
P
}

breaks() {
    local kind=$1 words=$2 event json got
    blank "$COW_DISK"
    mosaic good | dmsetup create mosaic
    cowctl create x "$BASE_DISK" /dev/mapper/mosaic 64
    dd if=/tmp/durable of=/dev/mapper/x bs=64k oflag=direct conv=fsync status=none
    event=$(dmsetup info -c --noheadings -o events x)
    timeout 30 dmsetup wait x "$event" &
    local waiter=$!

    swap "$kind"
    got=$(try 8)
    [ "$got" = "fsync Input/output error" ] || fail "$kind: $got, not an error of fsync"
    wait "$waiter" || fail "$kind: no dm event was raised"
    [ "$(status_field x 11)" = ro ] || fail "$kind: the device is not read-only: $(dmsetup status x)"
    [ "$(status_field x 2)" -gt 0 ] || fail "$kind: the places of a commit that failed count as committed"
    json=$(cowctl status x --json)
    [ "$(jq -r '.devices[0].mode' <<<"$json")" = ro ] || fail "$kind: cowctl does not say ro: $json"
    [[ "$(jq -r '.devices[0].problem' <<<"$json")" == *"$words"* ]] || fail "$kind: cowctl does not say '$words': $json"
    echo "$kind: $(jq -r '.devices[0].problem' <<<"$json")"

    found /tmp/durable 0 || fail "$kind: what was durable does not read"
    found /tmp/lost 8 || fail "$kind: what was written last does not read"
    base_shows 16 || fail "$kind: the rest does not read"
    got=$(try 32)
    [ "$got" = "write Input/output error" ] || fail "$kind: a first write to a read-only device: $got"
    got=$(try 8)
    [[ $got == *"Input/output error" ]] || fail "$kind: a later sync: $got"
    expect_fail cowctl remove x

    swap good
    cowctl remove --force x
    cowctl create x "$BASE_DISK" /dev/mapper/mosaic
    found /tmp/durable 0 || fail "$kind: what was durable is lost"
    base_shows 16 || fail "$kind: an unwritten part is not the base"
    found /tmp/lost 8 || cmp <(dd if=/dev/mapper/x bs=64k skip=128 count=1 iflag=direct status=none) \
        <(dd if="$BASE_DISK" bs=64k skip=128 count=1 iflag=direct status=none) || fail "$kind: neither old nor new"
    got=$(try 32)
    [ "$got" = "done" ] || fail "$kind: the store does not go on: $got"
    cowctl remove x
    cowctl check /dev/mapper/mosaic
    dmsetup remove mosaic
}
breaks unwritable "metadata"
breaks unflushable "flushed"
[ "$(content "$BASE_DISK")" = "$before" ] || fail "the base was written"
