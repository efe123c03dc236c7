# SPDX-License-Identifier: MIT
# A FUA write without a flush behind it is as durable as one with: ext4 makes them of O_DSYNC overwrites where the
# device has FUA, as null_blk does. (O_DSYNC on the device itself is FUA and a flush.)
# timeout: 400
# shellcheck shell=bash
require_module
. /payload/cases/uncommitted.inc
modprobe null_blk nr_devices=0
mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
item=/sys/kernel/config/nullb/nullb0
mkdir $item
(cd $item && echo 1 >memory_backed && echo 16 >cache_size && echo 512 >blocksize && echo 192 >size && echo 1 >power)
# What the file system writes by itself would be uncommitted, too.
mkfs.ext4 -q -O ^has_journal -E lazy_itable_init=0 "$BASE_DISK" 64M
mkdir -p /tmp/m
mount "$BASE_DISK" /tmp/m
dd if=/dev/urandom of=/tmp/m/file bs=1M count=16 conv=fsync status=none
umount /tmp/m
cowctl create x "$BASE_DISK" /dev/nullb0 64 --size 64M
mount -o noatime /dev/mapper/x /tmp/m
minor=$(dmsetup info -c --noheadings -o minor x)
[ "$(cat "/sys/block/dm-$minor/queue/fua")" = 1 ] || fail "FUA of the CoW device is not passed on"
sync
some_after /tmp/m/file plain 10 1
sync
none_after /tmp/m/file dsync 10 4
none_after /tmp/m/file both 10 8
umount /tmp/m
cowctl remove x
cowctl check /dev/nullb0 --size 64M
rmdir $item
