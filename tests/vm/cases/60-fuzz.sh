# SPDX-License-Identifier: MIT
# 100 000 wrong replies from a controller that serves a busy device with its other hand (tests/vm/fuzz.c):
# each is refused with its errno, and none of them changes anything.
# timeout: 150
# shellcheck shell=bash

require_module
records=100000
sectors=131072
bytes=$((sectors * 512))
random_base
base=$(sha "$BASE_DISK" $bytes)
dmsetup create f --table "0 $sectors cow f $BASE_DISK $COW_DISK 8"
fuzz f "$(blockdev --getsz "$COW_DISK")" $records >/tmp/fuzz.out 2>&1 &
fuzz=$!

serving() { grep -q "$1" /tmp/fuzz.out; }
# Without its controller the device waits for ever, and fio with it.
check_fuzz() { kill -0 $fuzz 2>/dev/null || { tail -n 3 /tmp/fuzz.out; fail "$(tail -n 1 /tmp/fuzz.out)"; }; }
load() {
    fio --name=load --filename=/dev/mapper/f --size=32M --rw="$1" --bsrange=4k-64k --direct=1 --ioengine=libaio \
        --iodepth=16 --io_size=4M --randseed="$2" --fsync=64 --verify=crc32c --minimal >/tmp/fio.out 2>&1 &
    local fio=$!
    while kill -0 $fio 2>/dev/null; do
        check_fuzz
        sleep 0.2
    done
    wait $fio || { cat /tmp/fio.out; fail "data written while wrong replies came in is not found again"; }
}

wait_for 10 serving seed
expect_fail rmmod dm-cow
round=0
until serving refused; do
    round=$((round + 1))
    load randwrite $round
done
load randrw 999
cat /tmp/fuzz.out
serving "$records wrong replies refused" || fail "$(tail -n 1 /tmp/fuzz.out)"
note load_rounds $round

dmsetup status f
# A refused reply leaves no fault behind, and is neither an error nor a degradation.
[ "$(dmsetup status f | awk '{ print $6, $13, $14 }')" = "0 0 rw" ] || fail "status: $(dmsetup status f)"
cmp -n $((bytes / 2)) -i $((bytes / 2)) "$BASE_DISK" /dev/mapper/f || fail "chunks that nobody wrote have changed"
[ "$(sha "$BASE_DISK" $bytes)" = "$base" ] || fail "the base has changed"

dmsetup remove f
wait $fuzz || fail "the fuzzer's honest half: $(tail -n 1 /tmp/fuzz.out)"
rmmod dm-cow
