# SPDX-License-Identifier: MIT
# Read-only layers between base and store: what the topmost has counts, a first write copies from there, and the layers stay as they are.
require_module
random_base
for disk in "$COW_DISK" "$EXTRA1" "$EXTRA2"; do blank "$disk"; done
head -c 16M /dev/urandom >/tmp/data
cp /payload/random /tmp/model

# put SECTOR SECTORS: other data each time, to the device and to the model.
puts=0
put() {
    puts=$((puts + 1))
    for to in /tmp/model /dev/mapper/x; do
        dd if=/tmp/data of=$to bs=512 skip=$((puts * 100)) seek="$1" count="$2" conv=notrunc status=none
    done
}
same() { cmp -n $((64 << 20)) /tmp/model /dev/mapper/x || fail "$1"; }
create() { cowctl create x "$BASE_DISK" "$1" "${@:2}" --size 64M --format bitmap; }

create "$EXTRA1" 128
put 0 4096
put 8200 300
put 16384 1
cowctl remove x
create "$EXTRA2" 128 --layer "$EXTRA1"
same "above a layer"
put 2048 4096
put 16384 128
put 24600 200
same "written above a layer"
cowctl remove x
lower=$(content "$EXTRA1") upper=$(content "$EXTRA2")

layers=(--layer "$EXTRA1" --layer "$EXTRA2")
create "$COW_DISK" 128 "${layers[@]}"
same "above two layers"
# Parts of chunks: of the lower layer, of the upper one, of the upper one above the lower one, of one and the next, of the base.
for at in 1000 5000 2500 16400 2047 32777; do put $at 2; done
same "copied from layers"
kill -9 "$(daemon_pid)"
put 1300 2
put 5400 2
cowctl list
put 8300 2
put 24700 2
same "after a kill"
sync /dev/mapper/x
cowctl remove x
create "$COW_DISK" 128 "${layers[@]}"
same "made anew"
cowctl remove x
cowctl check "$COW_DISK" --format bitmap --size 64M "${layers[@]}"
[ "$(content "$EXTRA1")" = "$lower" ] || fail "the lower layer was written"
[ "$(content "$EXTRA2")" = "$upper" ] || fail "the upper layer was written"
