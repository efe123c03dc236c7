#!/bin/bash
# SPDX-License-Identifier: MIT
# The only entry point: ./build.sh help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. tests/vm/common.sh

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
# Idle build nodes would outlive the script, and keep a pipe open that its caller reads from.
export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_UI_LANGUAGE=en

usage() {
    cat <<'END'
usage: ./build.sh COMMAND

  demo                          copy-on-write at work, in a virtual machine
  build                         libraries, cowctl (artifacts/cowctl) and the module for both kernels
  test [options] [pattern...]   unit tests, then the cases in a virtual machine on both kernels
       --unit-only, --vm-only   one half of them
       pattern                  only virtual-machine cases of that name (a glob or a part of it)
  check                         warnings, formatting, sparse, checkpatch, kernel-doc, shellcheck, the package
  bench                         the device against dm-linear and its peers, in virtual machines, on both kernels
  bench formats                 the disk formats against their bars, and cowctl against qemu-img; writes bench/formats.json
  package                       a Debian package in artifacts/
  install                       builds the package and installs it

Debian packages that are missing are installed. Kernels and the guests' root file system are kept in
$COW_CACHE (otherwise ~/.cache/dm-cow).
END
}

need_dotnet() {
    if command -v dotnet >/dev/null && dotnet --list-sdks | grep -q '^10\.'; then
        return 0
    fi
    # A fresh system has not asked yet what there is.
    [ -n "$(candidate dotnet-sdk-10.0)" ] || as_root apt-get update -qq >/dev/null 2>&1 || true
    [ -n "$(candidate dotnet-sdk-10.0)" ] ||
        die "the .NET 10 SDK is missing and this system does not package it; get it from https://dot.net/download"
    need_packages dotnet-sdk-10.0
}

need_solution() {
    [ -f Cow.slnx ] || die "Cow.slnx is missing: there is nothing to build"
    need_dotnet
}

build_managed() {
    need_solution
    dotnet build Cow.slnx -c Release --nologo -v quiet -clp:NoSummary
}

# Native code, compiled ahead of time: a program starts in a hundredth of a second, also to serve again after a kill, and needs
# a third of the memory. Where the package source lacks the compiler, the runtime comes along and compiles at every start.
publish() {
    need_solution
    need_packages gcc libc6-dev
    # What an earlier build left would be shipped, too.
    rm -rf "${ARTIFACTS:?}/$2"
    local log
    # Analyzers look at the same code where the solution is built.
    local publish=(dotnet publish "$1" -c Release -r linux-x64 --nologo -v quiet -o "$ARTIFACTS/$2"
        -p:PublishDocumentationFiles=false -p:CopyOutputSymbolsToPublishDirectory=false
        -p:RunAnalyzers=false)
    if log=$("${publish[@]}" -p:PublishAot=true -p:CppCompilerAndLinker=gcc 2>&1); then
        return 0
    fi
    grep -Eq 'NU110[12].*ILCompiler' <<<"$log" || die "publishing $2 failed:"$'\n'"$log"
    "${publish[@]}" --self-contained
}

publish_cowctl() { publish src/Cow.Controller cowctl; }

build_modules() {
    local kernel
    for kernel in "${KERNELS[@]}"; do
        # Only here is a newer kernel looked for: what was built and what is booted must agree.
        tests/vm/kernels "$kernel" fetch
        tests/vm/module "$kernel" >/dev/null
    done
}

build() {
    build_managed
    publish_cowctl
    build_modules
}

passed=0 failed=0 skipped=0

# Behind the guests, and in the time that they sleep.
unit_tests() {
    nice -n 10 dotnet test Cow.slnx -c Release --no-build --nologo -v quiet --logger "console;verbosity=minimal" |
        tee "$ARTIFACTS/unit-tests.log"
}

# count_unit_tests STATUS: adds up the summary of each test project ("Passed!  - Failed:     0, Passed:     2,
# Skipped: ..."); a run that broke before it could count is a failure too.
count_unit_tests() {
    local status=$1 good bad ignored projects
    read -r bad good ignored projects < <(awk -F '[:,]' '/^[A-Z][a-z]+! +- Failed:/ {
        bad += $2; good += $4; ignored += $6; projects++
    } END { print bad + 0, good + 0, ignored + 0, projects + 0 }' "$ARTIFACTS/unit-tests.log")
    passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + ignored))
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ] || [ "$projects" -eq 0 ]; then
        echo "dotnet test did not finish (exit status $status)"
        failed=$((failed + 1))
    fi
}

# Both kernels at once. What a runner says matters less than what it wrote: a runner that broke
# without a failed case is a failure of its own.
vm_tests() {
    local kernel results
    declare -A runner
    for kernel in "${KERNELS[@]}"; do
        rm -rf "$ARTIFACTS/vm/$kernel"
        tests/vm/run "$kernel" "$@" &
        runner[$kernel]=$!
    done
    trap 'kill "${runner[@]}" ${unit:+"$unit"} 2>/dev/null' INT TERM
    for kernel in "${KERNELS[@]}"; do
        results=$ARTIFACTS/vm/$kernel/results
        if ! wait "${runner[$kernel]}" && ! grep -qs '^FAIL' "$results"; then
            echo "$kernel: the virtual machine could not be run"
            failed=$((failed + 1))
        fi
        [ -f "$results" ] || continue
        passed=$((passed + $(grep -c '^PASS' "$results" || true)))
        failed=$((failed + $(grep -c '^FAIL' "$results" || true)))
        skipped=$((skipped + $(grep -c '^SKIP' "$results" || true)))
    done
}

run_tests() {
    local unit=1 vm=1 status=0
    while [[ ${1:-} == --* ]]; do
        case $1 in
        --unit-only) vm= ;;
        --vm-only) unit= ;;
        *) die "no such option: $1; see ./build.sh help" ;;
        esac
        shift
    done
    [ -n "$unit$vm" ] || die "--unit-only and --vm-only together leave nothing"
    # What both runners need is fetched before they start, so that they do not wait for each other.
    if [ -n "$vm" ]; then
        build_modules
        publish_cowctl
        publish tests/Cow.Replay replay
        tests/vm/image >/dev/null
    fi
    if [ -n "$unit" ]; then
        # QEMU judges the disk images that the tests make; zlib and zstd are what compresses them; gcc knows the C structs.
        need_packages qemu-utils xz-utils zlib1g libzstd1 gcc libc6-dev
        build_managed
        unit_tests &
        unit=$!
    fi
    [ -z "$vm" ] || vm_tests "$@"
    if [ -n "$unit" ]; then
        wait "$unit" || status=$?
        count_unit_tests "$status"
    fi
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
}

demo() {
    build_modules
    publish_cowctl
    # The base of the demo: this source tree, whether or not it is a git checkout.
    tar -cf "$ARTIFACTS/tree.tar" --exclude=./artifacts --exclude=./.git --exclude=bin --exclude=obj .
    tests/vm/script 6.1 tests/vm/demo.sh "$ARTIFACTS/tree.tar"
}

# Fails, naming them, where bars are missed.
bench_formats() {
    need_packages qemu-utils zlib1g libzstd1
    build_managed
    publish_cowctl
    "$ARTIFACTS/bin/Cow.Bench/release/Cow.Bench" "$ARTIFACTS/cowctl/cowctl" bench/formats.json "$ARTIFACTS/bench"
}

bench() {
    if [ "${1:-}" = formats ]; then
        bench_formats
        return
    fi
    bench_devices
}

# Settings of the guests' scripts that come from the environment.
bench_settings() {
    local name value
    for name in BENCH_ROUNDS BENCH_MIB BENCH_TARGETS PARALLEL_ROUNDS PARALLEL_MIB SHARED_ROUNDS SHARED_TARGETS COSTS_CHUNKS COSTS_DEVICES; do
        value=COW_$name
        [ -z "${!value:-}" ] || echo "$name='${!value}'"
    done
}

# guest_time KERNEL: in guests whose clock counts instructions, so a busy machine only takes longer.
guest_time() {
    local script status=0
    for script in bench costs; do
        COW_MEMORY=4G tests/vm/script --icount "$1" "tests/vm/$script.sh" tests/vm/bench.inc "$out/bench.conf" || status=$?
    done
    return $status
}

# Both kernels at once; then one after the other what needs both processors.
bench_devices() {
    local kernel guest table guests=() status=0 out=$ARTIFACTS/bench
    local -x COW_SCRIPT_LIMIT=${COW_SCRIPT_LIMIT:-14400}
    need_packages gnuplot-nox
    build_managed
    build_modules
    publish_cowctl
    tests/vm/image >/dev/null
    rm -rf "$out"
    mkdir -p "$out"
    bench_settings >"$out/bench.conf"
    # Each in a process group of its own: a signal to it ends all that runs for this kernel, also what would have come next.
    set -m
    for kernel in "${KERNELS[@]}"; do
        # A group, whose status is that of all in it.
        { guest_time "$kernel" | tee "$out/$kernel.txt" | sed -u "s/^/$kernel /"; } &
        guests+=($!)
    done
    set +m
    trap 'kill -- "${guests[@]/#/-}" 2>/dev/null; exit 130' INT TERM
    for guest in "${guests[@]}"; do wait "$guest" || status=$?; done
    trap - INT TERM
    for kernel in "${KERNELS[@]}"; do
        COW_MEMORY=6G tests/vm/script "$kernel" tests/vm/parallel.sh tests/vm/bench.inc "$out/bench.conf" | tee -a "$out/$kernel.txt" || status=$?
    done
    "$ARTIFACTS/bin/Cow.Bench/release/Cow.Bench" devices bench/results.json docs/performance-tables.md "$out" "${KERNELS[@]}" || status=$?
    for table in "$out"/*.dat; do
        gnuplot -c bench/ratios.gp "$table" "docs/performance-$(basename "$table" .dat).svg" || status=$?
    done
    return $status
}

package() {
    publish_cowctl
    build/package
}

command=${1:-help}
shift || true
case $command in
build) build ;;
test) run_tests "$@" ;;
check) publish_cowctl; exec build/check ;;
demo) demo ;;
bench) bench "$@" ;;
package) package ;;
# The version stays the same between two builds, which apt would take for "nothing to do".
install) package; as_root apt-get install -y --reinstall "$ARTIFACTS"/dm-cow_*.deb ;;
help | -h | --help) usage ;;
*) usage >&2; exit 2 ;;
esac
