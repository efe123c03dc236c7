# SPDX-License-Identifier: MIT
# timeout: 400
# A sparse CoW file on a full file system, with both policies; and a CoW file that is too short.
# shellcheck shell=bash
require_module
. /payload/cases/full.inc

leave_8_mib() {
    sync -f /tmp/host
    dd if=/dev/zero of=/tmp/host/filler bs=1M count="$(($(stat -f -c '(%a * %S >> 20)' /tmp/host) - 8))" conv=fsync status=none
}
empty_host() {
    rm -f /tmp/host/filler
    sync -f /tmp/host
}
mkfs.ext4 -q -m 0 "$EXTRA1" 64M
mkdir -p /tmp/host
mount "$EXTRA1" /tmp/host
both_policies "file system" /tmp/host/x.cow leave_8_mib empty_host

# A CoW file that is too short, and made longer.
rm /tmp/host/x.cow
truncate -s 8M /tmp/host/y.cow
cowctl create x "$BASE_DISK" /tmp/host/y.cow 64
put /tmp/again "$again_at"
waits "short file"
goes_on "short file" 32M
cowctl remove x
cowctl check /tmp/host/y.cow
umount /tmp/host
base_is_untouched
