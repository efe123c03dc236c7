# SPDX-License-Identifier: MIT
# timeout: 600
# Base and CoW device in memory: what is sent to them has ended when the call that sent it returns, so chunks are copied inside the call of the writer. Data
# is found again; a source that cannot be read and a place that cannot be written fail their writes, and no others.
# shellcheck shell=bash
require_module
modprobe dm-flakey
modprobe brd rd_nr=3 rd_size=$((96 * 1024)) max_part=0
. /payload/cases/fio-matrix.inc
# shellcheck disable=SC2034  # fio_matrix uses it
EXTRA1=/dev/ram2
BASE_DISK=/dev/ram0 COW_DISK=/dev/ram1
fio_matrix snapshot 64
fio_matrix bitmap 128

size=$(blockdev --getsz "$COW_DISK")
fast="0 $size linear $COW_DISK 0"
broken="0 $size flakey $COW_DISK 0 0 60 1 error_writes"
below() { dmsetup reload below --table "$1" && dmsetup suspend --noflush below && dmsetup resume below; }
# One sector of a chunk: the rest is copied. small CHUNK, and whole CHUNK.
small() { dd if=/tmp/data of=/dev/mapper/x bs=512 count=1 seek=$(($1 * 64 + 5)) oflag=direct conv=notrunc status=none; }
whole() { dd if=/tmp/data of=/dev/mapper/x bs=32k count=1 seek="$1" oflag=direct conv=notrunc status=none; }
chunk() { dd if="$1" bs=32k skip="$2" count=1 iflag=direct status=none; }
# copied CHUNK: what the base has, but for that sector.
copied() {
    chunk "$BASE_DISK" "$1" >/tmp/expected
    dd if=/tmp/data of=/tmp/expected bs=512 count=1 seek=5 conv=notrunc status=none
    cmp /tmp/expected <(chunk /dev/mapper/x "$1") || fail "chunk $1 is not what was written and what the base has"
}
# What is committed while the place is broken makes the device read-only, so that nothing must wait for it.
settle() { dd if=/dev/null of=/dev/mapper/x conv=fsync,notrunc status=none; }
healthy() { [ "$(status_field x 11)" = rw ] || fail "$1: $(dmsetup status x)"; }

head -c 32k /dev/urandom >/tmp/data
blank "$COW_DISK"
dmsetup create below --table "$fast"
dmsetup create source --table "0 32768 linear $BASE_DISK 0
32768 640 error
33408 $((size - 33408)) linear $BASE_DISK 33408"
cowctl create x /dev/mapper/source /dev/mapper/below 64 --size 64M
# The first one may ask; then places are granted.
small 1
copied 1
for at in 512 515 521; do
    expect_fail small $at
    whole $at
    cmp /tmp/data <(chunk /dev/mapper/x $at) || fail "chunk $at is not what was written"
done
small 600
copied 600
healthy "a source that cannot be read"
settle
below "$broken"
expect_fail small 700
cmp <(chunk "$BASE_DISK" 700) <(chunk /dev/mapper/x 700) || fail "a failed write changed the device"
below "$fast"
small 700
copied 700
small 701
settle
healthy "a place that cannot be written"
cowctl remove x
cowctl check /dev/mapper/below
cowctl create x /dev/mapper/source /dev/mapper/below 64 --size 64M
for at in 1 600 700 701; do copied $at; done
cowctl remove x
dmsetup remove source
dmsetup remove below
rmmod brd
