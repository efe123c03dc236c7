# SPDX-License-Identifier: MIT
# timeout: 400
# The same on format bitmap, its bitmap in front of the data and on its own device; which is nobody else's meanwhile.
require_module
. /payload/cases/fio-matrix.inc
fio_matrix bitmap 8 2048
fio_matrix "bitmap --bitmap-device $EXTRA1" 128

# taken STORE: another device cannot have the bitmap's device.
taken() {
    local status=0
    cowctl create other "$BASE_DISK" "$1" 128 --size 64M --format bitmap --bitmap-device "$EXTRA1" || status=$?
    [ $status = 6 ] || fail "the device of a bitmap that serves was given to another device, or refused with $status"
    expect_fail mkfs.ext4 -q "$EXTRA1" </dev/null
}
blank "$EXTRA2"
cowctl create m "$BASE_DISK" "$COW_DISK" --size 64M --format bitmap --bitmap-device "$EXTRA1"
taken "$EXTRA2"
kill -9 "$(daemon_pid)"
cowctl list
taken "$EXTRA2"
cowctl remove m
cowctl check "$COW_DISK" --format bitmap --size 64M --bitmap-device "$EXTRA1"
