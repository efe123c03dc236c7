# SPDX-License-Identifier: MIT
# timeout: 600
# Real images of every format, opened where they lie on a read-only file system, hold through the device what several readers agree on.
# shellcheck shell=bash
require_module
[ -f /payload/golden/list ] || skip "no golden images (COW_TEST_IMAGES)"
count=0
while read -r image bytes hash; do
    cowctl open g "/payload/golden/$image" --read-only </dev/null || fail "$image is not opened"
    [ "$(blockdev --getsize64 /dev/mapper/g)" = "$bytes" ] || fail "$image: $(blockdev --getsize64 /dev/mapper/g) bytes"
    [ "$(xxhsum -q </dev/mapper/g | cut -d' ' -f1)" = "$hash" ] || fail "$image reads otherwise"
    cowctl remove g </dev/null
    count=$((count + 1))
done </payload/golden/list
[ "$count" -gt 0 ] || fail "an empty list"
[ -z "$(losetup -n -O NAME)" ] || fail "a loop device is left"
note images "$count"
