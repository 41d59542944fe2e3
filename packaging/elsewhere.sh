#!/usr/bin/env bash
# Runs a command on another system, on this machine: its Podman, its Python, this checkout.
#   packaging/elsewhere.sh trixie python3 -m pytest tests/runtime   Debian 13, Podman 5.4.2
#   packaging/elsewhere.sh noble python3 -m pytest tests/runtime    Ubuntu 24.04, Podman 4.9.3
# The system lies in .venv/SUITE, made by debootstrap at the first call. What runs in it sees no
# network but a loopback of its own and none of this machine's processes; its mounts, processes
# and firewall rules go with it, however it ends. Needs root, debootstrap and .venv (test.sh);
# Ubuntu's also needs the keyring of its archive, from its package ubuntu-keyring.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/mirror.sh

usage() { echo "usage: packaging/elsewhere.sh trixie|noble COMMAND..." >&2; exit 2; }

PACKAGES="podman runc crun netavark aardvark-dns catatonit busybox-static nftables iptables
  iproute2 procps openssl docker-registry apache2-utils curl gcc libc6-dev python3"

[ $# -gt 1 ] || usage
SUITE=$1; shift
case $SUITE in
  trixie) PYTHON=3.13 COMPONENTS=main ;;
  # debootstrap does not know that this library provides libglib2.0-0.
  noble) PYTHON=3.12 COMPONENTS=main,universe PACKAGES+=" libglib2.0-0t64" ;;
  *) usage ;;
esac
VENV=.venv
ROOT=$PWD/$VENV/$SUITE

make_root() {
  local stamp new=$ROOT.new from=("" gutsy)  # debootstrap's own word for Ubuntu's archive
  stamp=$(sha256sum packaging/elsewhere.sh)
  [ "$(cat "$ROOT/stamp" 2>/dev/null)" = "$stamp" ] && return
  [ "$SUITE" = noble ] || from=("$(mirror)")
  echo "== making $ROOT"
  rm -rf --one-file-system "$ROOT" "$new"
  # In a mount namespace, so that what debootstrap mounts can't be left behind.
  unshare --mount --pid --fork --kill-child debootstrap --variant=minbase --force-check-gpg \
    --components=$COMPONENTS --include="$(tr -s ' \n' ',' <<<"$PACKAGES" | sed 's/,$//')" \
    "$SUITE" "$new" "${from[@]}" >"$ROOT.log" 2>&1 || { tail -n 20 "$ROOT.log" >&2; return 1; }
  rm -f "$new"/var/cache/apt/archives/*.deb
  echo "$stamp" >"$new/stamp"
  mv "$new" "$ROOT"
}

# The virtual environment's packages, in the same versions.
make_python() {
  local wanted folder=$ROOT/usr/local/lib/python$PYTHON/dist-packages
  wanted=$($VENV/bin/pip freeze --exclude-editable)
  [ "$(cat "$folder/stamp" 2>/dev/null)" = "$wanted" ] && return
  rm -rf "$folder"
  $VENV/bin/pip install -qq --no-deps --target "$folder" --python-version $PYTHON \
    --only-binary=:all: -r /dev/stdin <<<"$wanted"
  echo "$wanted" >"$folder/stamp"
}

# In namespaces of its own, and by pivot_root: in a mere chroot the root of the mount namespace is
# still the machine's, and that is where runc's `exec` would run.
enter() {
  rm -rf --one-file-system "${ROOT:?}"/tmp/*
  exec unshare --mount --net --pid --fork --kill-child bash -euc '
    root=$1 place=$PWD; shift
    mount --bind "$root" "$root"
    mount -t tmpfs tmpfs "$root/run"
    mount -t proc proc "$root/proc"
    mount -t sysfs sysfs "$root/sys"
    mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/dev/shm"
    mkdir -p "$root$place"
    mount --bind "$place" "$root$place"
    ip link set lo up
    cd "$root"
    pivot_root . .
    umount --lazy .
    exec catatonit -- env -i --chdir="$place" HOME=/root LANG=C.UTF-8 \
      PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONPYCACHEPREFIX=/tmp/python "$@"
  ' enter "$ROOT" "$@"
}

exec 9>"$ROOT.lock"
flock 9
make_root
make_python
enter "$@"
