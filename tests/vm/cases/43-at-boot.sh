# SPDX-License-Identifier: MIT
# Devices that are created at boot: after a reboot each has its own store, with its data, or is not there and waits, with a reason. Nothing is made or
# written in place of a store that is missing, and a force of the day that it was created means nothing any more. Where /etc cannot be written, a name
# is free all the same when its device is removed, and an image whose device is not made is left closed.
require_module
random_base
blank "$COW_DISK"
blank "$EXTRA2"
mkfs.ext4 -q "$EXTRA1"
mkdir -p /tmp/host
mount "$EXTRA1" /tmp/host

# What a reboot leaves, and a daemon that starts after it.
reboot() {
    local name
    cowctl daemon stop
    for name in x f file image; do
        ! dmsetup info "$name" >/dev/null 2>&1 || dmsetup remove "$name"
    done
    losetup -D
    rm -rf /run/dm-cow
    "$@"
    cowctl list
    [ -n "$(daemon_pid)" ] || fail "no daemon was started"
}
head_of() { dd if="$1" bs=1M count=16 iflag=direct status=none; }
write() { dd if=/payload/random of="/dev/mapper/$1" bs=1M count=4 seek=8 oflag=direct conv=fsync status=none; }
configured_for_good() {
    mount --bind /etc/dm-cow /etc/dm-cow
    mount -o remount,bind,ro /etc/dm-cow
}
has_data() {
    cmp -n $((4 << 20)) <(dd if="/dev/mapper/$1" bs=1M skip=8 count=4 iflag=direct status=none) /payload/random || fail "$1 does not have its data"
}
absent() {
    ! dmsetup info "$1" >/dev/null 2>&1 || fail "$1 is there"
    [[ $(cowctl status "$1" --json | jq -r '.devices[0] | "\(.state) \(.problem)"') == "waiting is not created: "*"$2"* ]] || fail "$1: not told that it $2: $(cowctl list)"
}

mkfs.ext4 -q -F "$EXTRA2"
cowctl create x "$BASE_DISK" "$COW_DISK" 128 --size 64M --at-boot
cowctl create f "$BASE_DISK" "$EXTRA2" 128 --size 64M --at-boot --force
cowctl create file "$BASE_DISK" /tmp/host/file.cow 128 --size 64M --at-boot
cowctl create image "$BASE_DISK" /tmp/host/image.qcow2 --format qcow2 --size 64M --at-boot
for name in x f file image; do write $name; done

# Nothing is written where nothing is new: neither the configuration nor a fingerprint, of which the one under /var is not there yet.
rm -rf /var/lib/dm-cow
configured_for_good
reboot
for name in x f file image; do has_data $name; done
[ ! -e /var/lib/dm-cow ] || fail "written: $(ls /var/lib/dm-cow)"
umount /etc/dm-cow

# Their file system is mounted later.
reboot umount /tmp/host
has_data x
absent file "is not there yet"
absent image "is not there yet"
[ -z "$(ls /tmp/host)" ] || fail "made beside the mount point: $(ls /tmp/host)"
mount "$EXTRA1" /tmp/host
wait_for 20 dmsetup info file
wait_for 20 dmsetup info image
has_data file
has_data image

# Another disk has the name: a blank one for x, for f one that bears something; also where a former version kept the force.
other_disks() {
    head_of "$COW_DISK" >/tmp/x
    head_of "$EXTRA2" >/tmp/f
    blank "$COW_DISK" 16
    blank "$EXTRA2" 16
    mkfs.ext4 -q -F "$EXTRA2"
    jq '.force = true' /etc/dm-cow/f.json >/tmp/f.json
    cp /tmp/f.json /etc/dm-cow/f.json
    head_of "$EXTRA2" >/tmp/other
}
reboot other_disks
absent x "holds no store"
absent f "holds no store"
cmp <(head_of "$COW_DISK") <(head -c 16M /dev/zero) || fail "the blank disk was written"
cmp <(head_of "$EXTRA2") /tmp/other || fail "the other disk was written"

# Another base.
own_disks_again() {
    dd if=/tmp/x of="$COW_DISK" bs=1M oflag=direct status=none
    dd if=/tmp/f of="$EXTRA2" bs=1M oflag=direct status=none
    blank "$BASE_DISK" 1
}
reboot own_disks_again
absent f "is not the base"
reboot random_base
for name in x f file image; do has_data $name; done
for name in x f file image; do cowctl remove $name; done
[ -z "$(ls /etc/dm-cow)" ] || fail "left: $(ls /etc/dm-cow)"
cowctl check "$COW_DISK"

cowctl create x "$BASE_DISK" "$COW_DISK" 128 --size 64M --at-boot
qemu-img create -q -f qcow2 /tmp/host/late.qcow2 64M
configured_for_good
for turn in first next; do
    expect_fail cowctl remove x
    [[ $OUTPUT == *"Read-only file system"* ]] || fail "$OUTPUT"
    ! dmsetup info x >/dev/null 2>&1 || fail "x is there"
    [ $turn = next ] || cowctl create x "$BASE_DISK" "$COW_DISK" 128 --size 64M
done
expect_fail cowctl open late /tmp/host/late.qcow2 --at-boot
[[ $OUTPUT == *"Read-only file system"* ]] || fail "$OUTPUT"
! dmsetup info late >/dev/null 2>&1 || fail "a device is left"
[ -z "$(losetup -n -O NAME)" ] || fail "a loop device is left"
qemu-img check -q /tmp/host/late.qcow2 || fail "an image was not closed"
umount /etc/dm-cow
cowctl remove x
[ -z "$(ls /etc/dm-cow)" ] || fail "left: $(ls /etc/dm-cow)"
umount /tmp/host
