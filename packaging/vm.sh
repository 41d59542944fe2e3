#!/usr/bin/env bash
# Runs a command on Debian 12 in a virtual machine: systemd, cgroup v2 and crun, as most users have
# them, whatever this machine is like; this checkout, and no network.
#   packaging/vm.sh python3 -m pytest -m "podman and not slow" tests/runtime
#   packaging/vm.sh python3 -m pytest -m systemd tests/e2e/test_service.py
# The system lies in .venv/vm, made by debootstrap at the first call. Every processor is emulated
# and some ten times slower; where KVM runs ordinary kernels: ACCEL=kvm. Needs root, .venv (test.sh)
# and the packages debootstrap, e2fsprogs and qemu-system-x86.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/mirror.sh

VENV=.venv
TOP=$PWD/$VENV/vm
ROOT=$TOP/root
ACCEL=${ACCEL:-tcg,thread=multi}
MEMORY=4G
DISK=8G
PACKAGES="systemd systemd-sysv dbus udev linux-image-cloud-amd64 podman crun runc netavark aardvark-dns
  catatonit busybox-static nftables iptables iproute2 procps kmod openssl docker-registry
  apache2-utils curl gcc libc6-dev python3 python3-venv uidmap"

make_root() {
  local stamp mirror
  stamp=$(sha256sum packaging/vm.sh; $VENV/bin/pip freeze --exclude-editable)
  [ "$(cat "$TOP/stamp" 2>/dev/null)" = "$stamp" ] && return
  mirror=$(mirror)
  echo "== making $ROOT"
  rm -rf --one-file-system "$TOP"
  mkdir -p "$TOP"
  unshare --mount --pid --fork --kill-child debootstrap --variant=minbase \
    --include="$(tr -s ' \n' ',' <<<"$PACKAGES" | sed 's/,$//')" bookworm "$ROOT" "$mirror" \
    >"$TOP/log" 2>&1 || { tail -n 20 "$TOP/log" >&2; return 1; }
  rm -f "$ROOT"/var/cache/apt/archives/*.deb
  $VENV/bin/pip install -qq --no-deps --target "$ROOT/usr/local/lib/python3.11/dist-packages" \
    --python-version 3.11 --only-binary=:all: \
    -r <($VENV/bin/pip freeze --exclude-editable)
  # What up.sh has pip install, there being no network.
  $VENV/bin/pip download -qq --dest "$ROOT/root/wheels" --python-version 3.11 --only-binary=:all: \
    -r <($VENV/bin/pip freeze --exclude-editable) -r <(sed -n 's/^requires = \["\(.*\)"\]/\1/p' pyproject.toml)
  make_services
  echo "$stamp" >"$TOP/stamp"
}

# The command is a service of its own, and the machine's only purpose: it ends with it.
make_services() {
  local units=$ROOT/etc/systemd/system unit
  for unit in serial-getty@ttyS0 docker-registry apache2; do ln -sf /dev/null "$units/$unit.service"; done
  cat >"$units/command.service" <<'UNIT'
[Unit]
After=basic.target dbus.service
[Service]
Type=oneshot
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
Environment=HOME=/root LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
Environment=PIP_NO_INDEX=1 PIP_FIND_LINKS=/root/wheels
WorkingDirectory=/root/appliance
ExecStart=-/bin/bash -c 'bash /root/command; echo "exit code $?"'
ExecStopPost=/sbin/poweroff -f
[Install]
WantedBy=multi-user.target
UNIT
  ln -sf ../command.service "$units/multi-user.target.wants/command.service"
  echo "/dev/vda / ext4 defaults 0 1" >"$ROOT/etc/fstab"
  echo box >"$ROOT/etc/hostname"
  printf '127.0.0.1 localhost box\n::1 localhost\n' >"$ROOT/etc/hosts"
}

fill() {
  rm -rf "$ROOT/root/appliance"
  mkdir "$ROOT/root/appliance"
  git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$ROOT/root/appliance"
  printf '%q ' "$@" >"$ROOT/root/command"
  rm -f "$TOP/disk"
  truncate -s "$DISK" "$TOP/disk"
  mke2fs -q -t ext4 -d "$ROOT" "$TOP/disk"
}

boot() {
  qemu-system-x86_64 -accel "$ACCEL" -cpu max -m "$MEMORY" -smp "$(nproc)" -nic none -no-reboot \
    -display none -serial stdio -kernel "$ROOT"/boot/vmlinuz-* -initrd "$ROOT"/boot/initrd.img-* \
    -append "root=/dev/vda rw console=ttyS0 quiet mitigations=off panic=-1" \
    -drive "file=$TOP/disk,if=virtio,format=raw,cache=unsafe" </dev/null | tee "$TOP/console"
}

[ $# -gt 0 ] || { echo "usage: packaging/vm.sh COMMAND..." >&2; exit 2; }
mkdir -p "$TOP"
exec 9>"$PWD/$VENV/vm.lock"
flock 9
make_root
fill "$@"
boot
grep -q $'^exit code 0\r*$' "$TOP/console"
