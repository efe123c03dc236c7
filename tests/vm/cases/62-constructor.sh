# SPDX-License-Identifier: MIT
# What the constructors refuse, each with its sentence in the kernel log, without a trace left behind.
# timeout: 400
# shellcheck shell=bash

require_module
base=$BASE_DISK cow=$COW_DISK
long=$(printf 'x%.0s' {1..128})
modprobe loop
big=$(losetup -f --show -b 4096 "$EXTRA2")
dmsetup create live --table "0 65536 cow live $base $cow 128"
dmsetup create many --table "0 1024 userspace many 8 1 $EXTRA1"

# As dmsetup table prints a device.
number() { lsblk -dno MAJ:MIN "$1" | tr -d ' '; }

# refused SENTENCE TABLE: the table must not load, and the log says why.
refused() {
    local before
    before=$(dmesg | wc -l)
    expect_fail dmsetup create wrong --table "$2"
    dmesg | tail -n "+$((before + 1))" | grep -qF -- "$1" ||
        fail "no '$1' for: $2; the log says: $(dmesg | tail -n "+$((before + 1))" | tail -n 3)"
    ! dmsetup info wrong >/dev/null 2>&1 || fail "a device stays behind after: $2"
}

refused 'Arguments: <ident> <base> <cow> <chunk>' "0 1024 cow"
refused 'Arguments: <ident> <base> <cow> <chunk>' "0 1024 cow a $base $EXTRA2"
refused 'Ident is empty or too long' "0 1024 cow $long $base $EXTRA2 8"
refused 'Cannot open the base' "0 1024 cow a /dev/nonesuch $EXTRA2 8"
refused 'Cannot open the CoW device' "0 1024 cow a $base /dev/nonesuch 8"
refused 'Cannot open a device' "0 1024 cow a $base $EXTRA2 8 2 layer /dev/nonesuch"
for chunk in 0 7 -8 eight 4194304 18446744073709551616; do
    refused 'Chunk is not a power of two' "0 1024 cow a $base $EXTRA2 $chunk"
done
refused 'Chunk is smaller than a logical block' "0 1024 cow a $base $big 4"
refused 'Line does not begin on a chunk' "0 64 linear $base 0
64 1024 cow a $base $EXTRA2 128"
refused 'A device that is written is given twice' "0 1024 cow a $EXTRA2 $EXTRA2 8"
refused 'A device that is written is given twice' "0 1024 cow a $base $EXTRA2 8 2 data $EXTRA2"
refused 'A device that is written is given twice' "0 1024 userspace a 8 2 $EXTRA2 $EXTRA2"
refused 'Invalid number of features' "0 1024 cow a $base $EXTRA2 8 many"
refused 'Invalid number of features' "0 1024 cow a $base $EXTRA2 8 1000 layer $LOG_DISK"
refused 'Invalid number of features' "0 1024 cow a $base $EXTRA2 8 4 layer $LOG_DISK"
refused 'Unknown feature' "0 1024 cow a $base $EXTRA2 8 1 magic"
refused 'Feature lacks its device' "0 1024 cow a $base $EXTRA2 8 1 layer"
refused 'Arguments behind the features' "0 1024 cow a $base $EXTRA2 8 0 layer $LOG_DISK"
refused 'no_controller takes wait or error' "0 1024 cow a $base $EXTRA2 8 1 no_controller"
refused 'no_controller takes wait or error' "0 1024 cow a $base $EXTRA2 8 2 no_controller panic"
refused 'no_controller waits a day at most' "0 1024 cow a $base $EXTRA2 8 3 no_controller error 86401"
refused 'Arguments: <ident> <chunk> <#devs>' "0 1024 userspace a 8 1"
refused 'Chunk is not a power of two' "0 1024 userspace a 9 1 $EXTRA2"
refused 'Invalid number of devices' "0 1024 userspace a 8 0 $EXTRA2"
refused 'Number of devices differs' "0 1024 userspace a 8 1 $EXTRA2 $LOG_DISK"

# Claims: what one ident writes is nobody else's, in no role.
refused 'A device is claimed by another ident' "0 1024 cow a $base $cow 8"
refused 'A device is claimed by another ident' "0 1024 cow a $cow $EXTRA2 8"
refused 'A device is claimed by another ident' "0 1024 cow a $LOG_DISK $base 8"
refused 'A device is claimed by another ident' "0 1024 cow a $base $EXTRA2 8 2 layer $cow"
refused 'A device is claimed by another ident' "0 1024 cow a $base $EXTRA1 8"
refused 'A device is claimed by another ident' "0 1024 userspace a 8 1 $cow"
refused 'Ident is in use by another mapped device' "0 1024 cow live $base $cow 128"
refused 'Ident is in use by another mapped device' "0 1024 userspace live 128 1 $EXTRA2"

# Lines of one ident agree; what the live device has is not touched by a table that does not load.
other() {
    local before
    before=$(dmesg | wc -l)
    expect_fail dmsetup load live --table "$2"
    dmesg | tail -n "+$((before + 1))" | grep -qF -- "$1" || fail "no '$1' for: $2"
}
other 'Chunk size differs from that of the ident' "0 65536 cow live $base $cow 64"
other "Devices differ from those of the ident's other lines" "0 65536 cow live $base $EXTRA2 128"
other "Devices differ from those of the ident's other lines" "0 65536 cow live $base $cow 128 2 layer $LOG_DISK"
other 'Ident is in use by the other target' "0 65536 userspace live 128 2 $base $LOG_DISK"
other 'Chunk is not a power of two' "0 65536 cow live $base $cow 128
65536 1024 cow live $base $cow 100"
[ "$(dmsetup table live)" = "0 65536 cow live $(number "$base") $(number "$cow") 128" ] ||
    fail "the live table is $(dmsetup table live)"

# Nothing refused has kept a device, an ident or the module.
expect_fail rmmod dm-cow
dmsetup remove live
dmsetup remove many
# A later line opens the base for writing, and the core has another record of it from then on.
dmsetup create upgraded --table "0 1024 cow up $EXTRA1 $EXTRA2 8
1024 1024 linear $EXTRA1 0"
[ "$(dmsetup table upgraded | head -n 1)" = "0 1024 cow up $(number "$EXTRA1") $(number "$EXTRA2") 8" ] ||
    fail "the table is $(dmsetup table upgraded)"
dmsetup remove upgraded
! dmesg | grep "not in table devices list" || fail "a device was not given back"
losetup -d "$big"
for device in "$base" "$cow" "$EXTRA1" "$EXTRA2" "$LOG_DISK"; do
    python3 -c 'import os, sys; os.open(sys.argv[1], os.O_RDWR | os.O_EXCL)' "$device" ||
        fail "$device is still held"
done
rmmod dm-cow
