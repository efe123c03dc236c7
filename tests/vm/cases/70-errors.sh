# SPDX-License-Identifier: MIT
# Every refusal: one sentence, its exit code, and nothing left behind.
require_module
blank "$BASE_DISK"
blank "$COW_DISK"
cowctl daemon stop || true
attached=

# refused CODE WORDS COMMAND...: fails with that exit code, says those words on one line.
refused() {
    local code=$1 words=$2 status=0 output
    shift 2
    output=$("$@" 2>&1 >/tmp/stdout) || status=$?
    echo "$* -> $status: $output"
    [ "$status" = "$code" ] || fail "exit $status, not $code: $*: $output"
    [[ $output == "cowctl: "*": "*"; "* ]] || fail "not a sentence of ours: $output"
    [ "$(wc -l <<<"$output")" = 1 ] || fail "more than one line: $output"
    [[ ${output,,} == *"${words,,}"* ]] || fail "does not say '$words': $output"
    [ ! -s /tmp/stdout ] || fail "printed on stdout: $(cat /tmp/stdout)"
    nothing_left
}
nothing_left() {
    ! dmsetup ls | grep -q '^bad' || fail "a dm device is left"
    [ "$(losetup -n -O NAME)" = "$attached" ] || fail "a loop device is left: $(losetup -n)"
    ! ls /run/dm-cow/bad*.json >/dev/null 2>&1 || fail "a state file is left"
    [ ! -e /tmp/new.cow ] || fail "a CoW file is left"
}

truncate -s 64M /tmp/golden.img
refused 5 "" cowctl create bad /tmp/no-such-file "$COW_DISK"
refused 5 "" cowctl create bad /dev/no-such-device /tmp/new.cow
refused 2 "" cowctl create bad /tmp/golden.img /tmp/new.cow --size 128M
refused 2 "power of two" cowctl create bad /tmp/golden.img /tmp/new.cow 3
refused 2 "" cowctl create bad /tmp/golden.img /tmp/new.cow 0
refused 2 "" cowctl create bad/name /tmp/golden.img /tmp/new.cow
refused 2 "" cowctl create bad /tmp/golden.img
refused 2 "" cowctl create bad /tmp/golden.img /tmp/golden.img
refused 2 "" cowctl frobnicate
refused 8 "neither a regular file" cowctl create bad /tmp/golden.img /tmp
refused 8 "neither a regular file" cowctl create bad /tmp /tmp/new.cow
refused 8 "neither a regular file" cowctl create bad /tmp/golden.img /tmp --format qcow2

# Files that somebody else attached: a base may be read, a store may not.
truncate -s 64M /tmp/good.cow
for file in /tmp/golden.img /tmp/good.cow; do
    loop=$(losetup -f --show $file)
    attached=$(losetup -n -O NAME)
    refused 6 "attached to $loop;" cowctl create bad $file /tmp/new.cow
    losetup -d "$loop"
done
loop=$(losetup -r -f --show /tmp/good.cow)
attached=$(losetup -n -O NAME)
refused 6 "attached to $loop;" cowctl create bad /tmp/golden.img /tmp/good.cow
losetup -d "$loop"
loop=$(losetup -r -f --show /tmp/golden.img)
cowctl create good /tmp/golden.img /tmp/good.cow
losetup -d "$loop"
# Files of a device of ours.
attached=$(losetup -n -O NAME)
refused 6 "attached" cowctl create bad /tmp/golden.img /tmp/good.cow
refused 6 "attached" cowctl create bad /tmp/good.cow /tmp/new.cow
refused 6 "attached" cowctl create bad "$COW_DISK" /tmp/golden.img
cowctl remove good
attached=

mkfs.ext4 -q "$COW_DISK"
refused 7 "ext2/3/4" cowctl create bad /tmp/golden.img "$COW_DISK"
cowctl create good /tmp/golden.img "$COW_DISK" --force
cowctl remove good

mkfs.ext4 -q "$BASE_DISK"
mkdir -p /tmp/m
mount "$BASE_DISK" /tmp/m
blank "$EXTRA1"
refused 6 "mounted" cowctl create bad "$BASE_DISK" "$EXTRA1"
umount /tmp/m
dmsetup create writer --table "0 8192 linear $BASE_DISK 0"
refused 6 "" cowctl create bad "$BASE_DISK" "$EXTRA1"
dmsetup remove writer

blank "$COW_DISK"
cowctl create good "$BASE_DISK" "$COW_DISK"
refused 6 "" cowctl create good "$BASE_DISK" "$EXTRA1"
refused 6 "" cowctl create bad "$BASE_DISK" "$COW_DISK"
refused 5 "" cowctl remove bad
refused 5 "" cowctl status bad
mount /dev/mapper/good /tmp/m
refused 6 "open" cowctl remove good
umount /tmp/m
cowctl remove good
cowctl daemon stop

refused 3 "root" setpriv --reuid 65534 --clear-groups cowctl create bad "$BASE_DISK" "$COW_DISK"
refused 10 "" cowctl daemon status
rmmod dm_cow
mount --bind /tmp /lib/modules
refused 4 "dm-cow" cowctl create bad "$BASE_DISK" "$COW_DISK"
umount /lib/modules
