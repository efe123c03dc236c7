# SPDX-License-Identifier: MIT
# timeout: 900
# The package and its unit under a systemd that boots, powers off and boots again, with a file system of /etc/fstab on a device: which is there before it is
# mounted, and is served until it is unmounted, whatever else befalls the daemon. DKMS is not there: the module is the one that every case uses.
[ -e /payload/dm-cow.deb ] || skip "no package was built"
require_module
modprobe overlay
rmmod dm_cow
random_base
blank "$COW_DISK" 8

# Process 1 of a PID namespace, in a root of its own: what it writes lies over the guest's, and outlives it, but for /run.
machine=/tmp/machine
group=$machine/cgroup/machine
mkdir -p $machine/{upper,work,root,cgroup}
mount -t cgroup2 cgroup2 $machine/cgroup
mkdir $group
cat >$machine/start <<'END'
set -e
echo $$ >/tmp/machine/cgroup/machine/cgroup.procs
exec unshare --fork --pid --mount --uts --cgroup bash -e <<'INSIDE'
cd /tmp/machine
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root
for where in dev sys payload lib/modules; do mount --rbind "/$where" "root/$where"; done
mount -t cgroup2 cgroup2 root/sys/fs/cgroup
mount -t proc proc root/proc
mount -t tmpfs tmp root/tmp
mount --bind run root/run
cd root
pivot_root . mnt
exec chroot . /bin/sh -c 'umount -l /mnt; exec env -i container=test /lib/systemd/systemd --unit=basic.target --show-status=no'
INSIDE
END

# systemctl and cowctl as they are used there, in the environment of a login.
inside() {
    nsenter -t "$init" -m -p -u -C env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 NO_COLOR=1 "$@"
}
show() { inside systemctl show -P "$1" "${2:-dm-cow.service}"; }
is() { [ "$(show "$1")" = "$2" ] || fail "$1 is $(show "$1") instead of $2"; }
journal() { journalctl -q -D $machine/run/log/journal -o short-monotonic; }
last_line() { journal | grep -n -F "$1" | tail -n 1 | cut -d: -f1; }

end_machine() {
    local status=$?
    [ $status -eq 0 ] || [ ! -d $machine/run/log ] || journal | tail -n 150
    echo 1 >$group/cgroup.kill
    # What waits for a daemon ends when the guest is cleaned up.
    [ $status -ne 0 ] || wait
    find $machine/cgroup -mindepth 1 -depth -type d -exec rmdir {} + || true
    umount $machine/cgroup
    rm -rf /dev/{disk,block,char,log}
}
trap end_machine EXIT

boot() {
    local state
    rm -rf $machine/run /dev/disk
    mkdir $machine/run
    setsid bash $machine/start &
    starter=$!
    wait_for 60 pgrep -P $starter
    init=$(pgrep -P $starter)
    wait_for 180 booted
    state=$(inside systemctl is-system-running || true)
    [ "$state" = running ] || fail "after the boot the system is $state: $(inside systemctl --failed --plain --no-legend)"
    ! journal | grep -F 'ordering cycle' || fail "a circle among the units"
}
booted() { inside systemctl is-system-running --wait 2>/dev/null | grep -qx 'running\|degraded\|maintenance'; }

power_off() {
    inside systemctl poweroff
    wait_for 120 gone "$starter"
}
gone() { ! kill -0 "$1" 2>/dev/null; }

# The daemon is the unit's.
is_main() { [ -n "$(daemon_pid)" ] && [ "$(awk '$1 == "NSpid:" { print $NF }' "/proc/$(daemon_pid)/status")" = "$(show MainPID)" ]; }
waits() { [ "$(status_field x 3)" -gt 0 ]; }

# write FILE: to chunks that were never written, so that no write is done without the daemon.
write() { inside dd if=/payload/random of="/srv/x/$1" bs=1M count=2 oflag=direct conv=fsync status=none; }
has() { inside cmp -n $((2 << 20)) /payload/random "/srv/x/$1" || fail "$1 is not as it was written"; }

# Neither the guest's settings nor its nodes change, and of its devices only disks are looked at. A journal that ends with its boot. And in place of DKMS,
# which needs compilers and the network, what tells how it was called.
etc=$machine/upper/etc
mkdir -p $etc/systemd/{journald.conf.d,system/systemd-udev-trigger.service.d} $machine/upper/usr/{lib/dkms,sbin}
for name in systemd-sysctl kmod-static-nodes systemd-random-seed; do ln -s /dev/null $etc/systemd/system/$name.service; done
cat >$etc/systemd/system/systemd-udev-trigger.service.d/disks.conf <<'END'
[Service]
ExecStart=
ExecStart=udevadm trigger --type=devices --action=add --subsystem-match=block
END
printf '[Unit]\nAllowIsolate=yes\n' >$etc/systemd/system/quiet.target
printf '[Journal]\nStorage=volatile\n' >$etc/systemd/journald.conf.d/volatile.conf
tee $machine/upper/usr/lib/dkms/common.postinst >$machine/upper/usr/sbin/dkms <<'END'
#!/bin/sh
echo "$0 $*" >>/dkms.log
END
chmod 755 $machine/upper/usr/lib/dkms/common.postinst $machine/upper/usr/sbin/dkms

boot
inside dpkg --force-depends -i /payload/dm-cow.deb
inside cmp /usr/sbin/cowctl /payload/cowctl/cowctl || fail "the package has another cowctl"
[ "$(inside systemctl is-enabled dm-cow || true)" = disabled ] || fail "enabled without a device"

# The condition loads the module.
inside systemctl start dm-cow
is ActiveState active
[ -d /sys/module/dm_cow ] || fail "active without the module"
is_main || fail "the daemon is not the unit's"
inside systemctl stop dm-cow
is ActiveState inactive
[ -z "$(daemon_pid)" ] || fail "a daemon after the stop"

inside cowctl create x /dev/disk/by-id/virtio-base /dev/disk/by-id/virtio-cow 128 --size 64M --no-grants --at-boot
is ActiveState active
is_main || fail "the daemon is not the unit's"
[ "$(inside systemctl is-enabled dm-cow)" = enabled ] || fail "not enabled by a device --at-boot"
inside mkfs.ext4 -q /dev/mapper/x
inside mkdir /srv/x /srv/x2
echo '/dev/mapper/x /srv/x ext4 defaults 0 2' | inside tee /etc/fstab
inside systemctl daemon-reload
inside systemctl start srv-x.mount

# What is dirty when the power goes is written by the unmount, which needs the daemon.
inside dd if=/payload/random of=/srv/x/dirty bs=1M count=2 status=none
power_off
[ "$(last_line 'Unmounted srv-x.mount')" -lt "$(last_line 'Stopping dm-cow.service')" ] || fail "the daemon was stopped before the unmount"
power_cut() {
    dmsetup remove x
    wait_for 30 rmmod dm_cow
}
power_cut

boot
is ActiveState active
[ "$(show ActiveState srv-x.mount)" = active ] || fail "not mounted at boot"
[ "$(show ActiveEnterTimestampMonotonic)" -lt "$(show InactiveExitTimestampMonotonic srv-x.mount)" ] || fail "mounted before the daemon was ready"
has dirty

# It dies while a write waits for it.
old=$(daemon_pid)
kill -STOP "$old"
write killed &
writer=$!
wait_for 60 waits
kill -KILL "$old"
wait_for 60 gone $writer
wait $writer || fail "a write failed when the daemon was killed"
is NRestarts 1
is_main || fail "the daemon is not the unit's"
has killed

# It is stopped, and a write waits for the next one.
inside systemctl stop dm-cow
write stopped &
writer=$!
wait_for 60 waits
sleep 1
! gone $writer || fail "a write was done without the daemon"
inside systemctl start dm-cow
wait_for 60 gone $writer
wait $writer || fail "a write failed when the daemon was stopped"
has stopped

# Another target lets go of /etc/fstab's, but not of what was mounted by hand.
inside systemctl stop srv-x.mount
inside mount /dev/mapper/x /srv/x2
old=$(daemon_pid)
inside systemctl isolate quiet.target
[ "$(show ActiveState basic.target)" = inactive ] || fail "isolating quiet.target stopped nothing"
[ "$(daemon_pid)" = "$old" ] || fail "another target has stopped the daemon"
[ "$(show ActiveState srv-x2.mount)" = active ] || fail "another target has unmounted it"
write ../x2/isolated
inside dd if=/payload/random of=/srv/x2/dirty2 bs=1M count=2 status=none
power_off
[ "$(last_line 'Unmounted srv-x2.mount')" -lt "$(last_line 'Stopping dm-cow.service')" ] || fail "after another target the daemon was stopped before the unmount"
power_cut

# Without the module the boot goes on without the unit.
mkdir -p $etc/modprobe.d
echo 'install dm_cow /bin/false' >$etc/modprobe.d/none.conf
echo '/dev/mapper/x /srv/x ext4 nofail,noauto 0 2' >$etc/fstab
boot
is ActiveState inactive
is Result exec-condition
is NRestarts 0
inside rm /etc/modprobe.d/none.conf
inside systemctl start dm-cow
inside systemctl start srv-x.mount
for name in dirty killed stopped isolated dirty2; do has $name; done
inside systemctl stop srv-x.mount
inside cowctl remove x
cowctl check "$COW_DISK"

inside dpkg -L dm-cow >/tmp/files
inside dpkg --purge dm-cow
for name in $(</tmp/files) /etc/dm-cow /var/lib/dm-cow /etc/systemd/system/sysinit.target.wants/dm-cow.service; do
    # Of directories the package's own, which no others share.
    [[ -d $name && $name != *dm-cow* ]] || ! inside test -e "$name" -o -L "$name" || fail "left: $name"
done
is LoadState not-found
[ -z "$(daemon_pid)" ] || fail "left: the daemon"
called=$(inside cat /dkms.log)
[[ $called == *"common.postinst dm-cow "*$'\n'*"dkms remove -m dm-cow -v "*" --all"* ]] || fail "DKMS was called otherwise: $called"
power_off
wait_for 30 rmmod dm_cow
