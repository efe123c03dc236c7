# SPDX-License-Identifier: MIT
# timeout: 400
# A full CoW device, with both policies; enlarged, it takes what waited.
# shellcheck shell=bash
require_module
. /payload/cases/full.inc

enlarge_device() {
    dmsetup load small --table "0 131072 linear $COW_DISK 0"
    dmsetup resume small
}
blank "$COW_DISK"
dmsetup create small --table "0 16384 linear $COW_DISK 0"
both_policies "device" /dev/mapper/small true enlarge_device
base_is_untouched
