# SPDX-License-Identifier: MIT
# What ./build.sh demo shows: runs inside a guest, its output is all that reaches the terminal.
# tree.tar in the payload is this source tree.
# shellcheck shell=bash
set -euo pipefail

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() {
    printf '  $ %s\n' "$*"
    "$@" 2>&1 | sed 's/^/    /'
}
must() { "$@" || { echo "demo: this must not happen: $*" >&2; exit 1; }; }
sum() { blockdev --flushbufs "$1"; sha256sum "$1" | cut -d' ' -f1; }
# Names and contents of all files below a directory, as one hash.
tree_sum() { (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16); }

base=/dev/vdb cow=/dev/vdc
modprobe dm-cow
mkdir -p /tmp/m

say "Linux $(uname -r). The base: $base, an ext4 file system with this source tree on it."
mkfs.ext4 -q "$base"
mount "$base" /tmp/m
tar -xf tree.tar -C /tmp/m
echo "    $(find /tmp/m -type f | wc -l) files"
umount /tmp/m
before=$(sum "$base")

say "One command puts a writable overlay over it; changes go to $cow."
show cowctl create ident "$base" "$cow" 1024
show dmsetup table ident

say "Work on it: change every C# file, add a 20 MB one, fsync."
mount /dev/mapper/ident /tmp/m
find /tmp/m -name '*.cs' -exec sh -c 'for f; do echo "// changed" >>"$f"; done' sh {} +
dd if=/dev/urandom of=/tmp/m/new.bin bs=1M count=20 conv=fsync status=none
sync -f /tmp/m/new.bin
content=$(tree_sum /tmp/m)
show cowctl status ident

say "Collapse: what is committed becomes dm-linear lines, and needs neither module nor daemon any more."
show cowctl compact ident
show dmsetup table ident
must [ "$(dmsetup table ident | grep -c linear)" -gt 0 ]
must [ "$(tree_sum /tmp/m)" = "$content" ]

say "Unmount, remove, create again: everything is there, and the base is what it was."
umount /tmp/m
show cowctl remove ident
show cowctl create ident "$base" "$cow" 1024
mount /dev/mapper/ident /tmp/m
must [ "$(tree_sum /tmp/m)" = "$content" ]
echo "    files on the overlay: $content, as before"
umount /tmp/m
show cowctl remove ident
must [ "$(sum "$base")" = "$before" ]
echo "    base: sha256 ${before:0:16}..., as before"

say "The store is dm-snapshot's own format: the stock kernel target reads the same contents from it."
dmsetup create stock --table "0 $(blockdev --getsz "$base") snapshot $base $cow P 1024"
show dmsetup table stock
mount -o ro /dev/mapper/stock /tmp/m
must [ "$(tree_sum /tmp/m)" = "$content" ]
echo "    files seen by dm-snapshot: $content, the same"
umount /tmp/m
dmsetup remove stock
cowctl daemon stop
say "Done."
