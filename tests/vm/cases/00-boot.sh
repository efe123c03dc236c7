# SPDX-License-Identifier: MIT
# The module loads, offers its two targets and its device, and goes again without a trace.
# timeout: 60
# shellcheck shell=bash

require_module
dmsetup targets | grep -q '^cow ' || fail "dmsetup targets does not list cow"
dmsetup targets | grep -q '^userspace ' || fail "dmsetup targets does not list userspace"

[ -c /dev/dm-cow ] || fail "/dev/dm-cow is no character device"
mode=$(stat -c %a:%u:%g /dev/dm-cow)
[ "$mode" = 600:0:0 ] || fail "/dev/dm-cow is $mode, not 600:0:0"

rmmod dm-cow
[ ! -e /dev/dm-cow ] || fail "/dev/dm-cow is still there without the module"
if dmsetup targets | grep -Eq '^(cow|userspace) '; then
    fail "a target is still there without the module"
fi
