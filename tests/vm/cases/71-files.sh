# SPDX-License-Identifier: MIT
# BASE and COW as files: create makes the store and asks nothing, remove undoes it; format tells sizes.
require_module
mkfs.ext4 -q "$EXTRA1"
mkdir -p /tmp/host /tmp/m
mount "$EXTRA1" /tmp/host
cd /tmp/host || fail "no /tmp/host"
truncate -s 64M golden.img
mkfs.ext4 -q golden.img
before=$(xxhsum golden.img)

cowctl create vm1 golden.img vm1.cow
[ -f vm1.cow ] || fail "no CoW file was made"
[ "$(du -m vm1.cow | cut -f1)" -lt 4 ] || fail "the CoW file is not sparse"
mount /dev/mapper/vm1 /tmp/m
head -c 8M /dev/urandom >/tmp/m/file
sum=$(xxhsum </tmp/m/file)
umount /tmp/m
cowctl remove vm1
[ -z "$(losetup -n -O NAME)" ] || fail "a loop device is left"
! dmsetup info vm1 2>/dev/null || fail "the device is left"

cowctl create vm1 golden.img vm1.cow
mount /dev/mapper/vm1 /tmp/m
[ "$(xxhsum </tmp/m/file)" = "$sum" ] || fail "the file is not there any more"
umount /tmp/m
cowctl remove vm1
cowctl check vm1.cow
(exec <&- >&- 2>&-; cowctl check vm1.cow) || fail "cowctl needs a standard output"
[ "$(xxhsum golden.img)" = "$before" ] || fail "the base was written"

# What --dry-run says is true: a store of that size takes a full rewrite, and it is hardly larger than the base.
need=$(cowctl format --dry-run --json --base golden.img full.cow 16 | jq .fullRewriteBytes)
[ ! -e full.cow ] || fail "--dry-run made a file"
[[ $need -gt $((64 << 20)) && $need -lt $((65 << 20)) ]] || fail "$need bytes for a full rewrite of 64 MiB"
truncate -s "$need" full.cow
cowctl format full.cow --base golden.img 16
cowctl create full golden.img full.cow --no-space error
dd if=/payload/random of=/dev/mapper/full bs=1M count=64 oflag=direct status=none || fail "a store of $need bytes does not take a full rewrite"
cowctl remove full
note dry_run_bytes "$need"
cd /
umount /tmp/host
