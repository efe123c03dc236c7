# SPDX-License-Identifier: MIT
# What somebody does with dmsetup behind the daemon's back: a device is served whatever it is called, what has its old name is left alone, and a table
# that was loaded in place of ours stays, as does what was added to ours.
require_module
random_base
blank "$COW_DISK"
foreign="0 131072 linear $(lsblk -ndo MAJ:MIN "$EXTRA1" | tr -d ' ') 0"
first_sectors() { dd if="$1" bs=1M count=4 iflag=direct status=none; }
is_foreign() { [ "$(dmsetup table "$1")" = "$foreign" ] || fail "$1 has another table: $(dmsetup table "$1")"; }
all_linear() { ! dmsetup table "$1" | grep -q ' cow '; }

cowctl create x "$BASE_DISK" "$COW_DISK" 128 --size 64M
dmsetup rename x y
dmsetup create x --table "$foreign"
first_sectors "$EXTRA1" >/tmp/before
dd if=/payload/random of=/dev/mapper/y bs=1M count=64 oflag=direct status=none
cowctl explain x 0 | grep -q "was changed" || fail "the renamed device is not served"
expect_fail cowctl create y "$BASE_DISK" "$COW_DISK"
[[ $OUTPUT == *"mapped device of this name"* ]] || fail "$OUTPUT"
pkill -KILL -x cowctl
dd if=/payload/random of=/dev/mapper/y bs=1M count=1 skip=1 oflag=direct status=none
cowctl compact x
all_linear y || fail "the renamed device is not the one that was collapsed: $(dmsetup table y)"
is_foreign x
cmp <(first_sectors "$EXTRA1") /tmp/before || fail "a device that was not ours was written"
dmsetup remove x
expect_fail cowctl create x "$BASE_DISK" "$EXTRA1"
[[ $OUTPUT == *"mapped device y"* ]] || fail "$OUTPUT"
dmsetup create x --table "$foreign"
cowctl remove x
! dmsetup info y >/dev/null 2>&1 || fail "the renamed device is still there"
[ ! -e /dev/mapper/y ] || fail "its node is still there"
is_foreign x
dmsetup remove x

# Long enough that the daemon would collapse what the last write made.
blank "$COW_DISK"
cowctl create x "$BASE_DISK" "$COW_DISK" 128 --size 64M
dd if=/payload/random of=/dev/mapper/x bs=1M count=32 oflag=direct status=none
# Held back, and then with that table waiting.
in_hand() {
    sleep 8
    expect_fail cowctl compact x
    [[ $OUTPUT == *"$1"* ]] || fail "$OUTPUT"
}
dmsetup suspend x
in_hand "suspended by hand"
[ "$(dmsetup info -c --noheadings -o suspended x)" = Suspended ] || fail "the device that was suspended goes on"
dmsetup resume x
dd if=/payload/random of=/dev/mapper/x bs=1M count=8 skip=32 seek=32 oflag=direct status=none
dmsetup reload x --table "$foreign"
in_hand "waits to be resumed"
dmsetup resume x
is_foreign x
in_hand "replaced by hand"
is_foreign x
cowctl status x | grep -q "replaced by hand" || fail "$(cowctl status x)"
cowctl remove x
cowctl check "$COW_DISK"

# As long a name as there can be, and one more.
name=$(printf '%0121d' 0)
cowctl create "$name" "$BASE_DISK" "$COW_DISK" --size 64M
cmp -n 33554432 "/dev/mapper/$name" /payload/random || fail "what was written is gone"
cowctl remove "$name"
expect_fail cowctl create "${name}1" "$BASE_DISK" "$COW_DISK" --size 64M
[[ $OUTPUT == *"1 to 121 letters"* ]] || fail "$OUTPUT"

# What it was told to do without a controller it does after a swap, too.
blank "$COW_DISK"
cowctl create x "$BASE_DISK" "$COW_DISK" 128 --size 64M
dmsetup reload x --table "$(dmsetup table x) 3 no_controller error 30"
dmsetup resume x
dd if=/payload/random of=/dev/mapper/x bs=1M count=8 oflag=direct status=none
cowctl compact x
dmsetup table x | grep -q ' linear ' || fail "nothing was collapsed: $(dmsetup table x)"
dmsetup table x | grep -q ' cow .* 3 no_controller error 30$' || fail "the swap undid what was loaded by hand: $(dmsetup table x)"
cowctl remove x
