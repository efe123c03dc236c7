# SPDX-License-Identifier: MIT
# With the last line of a table the kernel forgets the places that it was told of. A controller that has not heard of that, because a line came back at once,
# cannot make it believe that their chunks have none.
require_module
random_base
blank "$COW_DISK"
table="0 65536 cow x $BASE_DISK $COW_DISK 128"
dd if=/payload/random of="$COW_DISK" bs=64k count=1 seek=3 oflag=direct status=none
dmsetup create x --table "$table"
forgets x "dmsetup remove x && dmsetup create x --table '$table'" \
    "dd if=/dev/mapper/x of=/tmp/read bs=64k count=1 skip=3 iflag=direct status=none" >/tmp/told || fail "$(cat /tmp/told)"
cmp -n 65536 /tmp/read /payload/random || fail "not read from the place that was told"
dmsetup remove x
