# SPDX-License-Identifier: MIT
# Sourced by every host-side script of the harness: paths, messages, packages, the cache.
# shellcheck shell=bash

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
VM=$TOP/tests/vm
ARTIFACTS=$TOP/artifacts
CACHE=${COW_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/dm-cow}
KERNELS=(6.1 6.12)
# Experiments outside the tree: other cases, another module.
CASES=${COW_CASES:-$VM/cases}
MODULES=${COW_MODULES:-$ARTIFACTS/kernel}
export TOP VM ARTIFACTS CACHE KERNELS CASES MODULES

# mke2fs and depmod live in sbin, which a plain user's PATH lacks on Debian.
export PATH=$PATH:/usr/sbin:/sbin

die() { echo "${0##*/}: $*" >&2; exit 1; }
say() { echo "== $*" >&2; }

as_root() {
    if [ "$EUID" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Asking dpkg takes milliseconds, asking apt seconds: apt is called only when something is missing.
missing_packages() {
    local name
    for name; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
    done
}

# Guests that are started at once need the same ones: the second installs what is still missing.
need_packages() {
    local missing
    [ -n "$(missing_packages "$@")" ] || return 0
    mkdir -p "$CACHE"
    exec {apt_lock}>"$CACHE/apt.lock"
    flock "$apt_lock"
    mapfile -t missing < <(missing_packages "$@")
    if [ ${#missing[@]} -gt 0 ]; then
        say "installing ${missing[*]}"
        as_root apt-get update -qq {apt_lock}>&-
        as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 {apt_lock}>&-
    fi
    exec {apt_lock}>&-
}

need_apt_lists() {
    apt-cache show linux-image-cloud-amd64 >/dev/null 2>&1 || as_root apt-get update -qq
}

# apt's words are translated.
candidate() { LC_ALL=C apt-cache policy "$1" | awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'; }

# apt-get download drops privileges in a directory it cannot write and says so at length; the errors
# that matter still reach the terminal when the download fails.
download() {
    local log
    log=$(apt-get download -qq "$@" 2>&1) || die "cannot download $*: $log"
}

# make_cached NAME COMMAND: runs COMMAND DIR FINAL in a fresh directory and renames it to
# $CACHE/NAME only when it succeeded, so that an interrupted run never leaves half an entry.
# One builder at a time; the second finds the first one's work.
make_cached() {
    local final=$CACHE/$1 temporary
    [ -d "$final" ] && return 0
    mkdir -p "$CACHE"
    exec {cache_lock}>"$CACHE/lock"
    flock "$cache_lock"
    if [ ! -d "$final" ]; then
        temporary=$(mktemp -d "$CACHE/new.XXXXXX")
        chmod 755 "$temporary"
        # A plain call would lose "set -e" inside a function used in a condition: hence the subshell
        # and the test of its status afterwards.
        set +e
        (set -e; "$2" "$temporary" "$final")
        local status=$?
        set -e
        if [ $status -ne 0 ]; then
            as_root rm -rf "$temporary"
            die "building $final failed"
        fi
        mv -T "$temporary" "$final"
    fi
    exec {cache_lock}>&-
}
