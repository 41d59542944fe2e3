# Shared by up.sh and down.sh: where things are, and how a step is told.

say() { printf '%s\n' "$*"; }
die() { printf 'failed: %s\n' "$*" >&2; exit 1; }

# Runs a command quietly; on failure shows what it said.
quietly() {
  local what=$1 output; shift
  output=$("$@" 2>&1) || { printf '%s\n' "$output" >&2; die "$what"; }
}

DATA_DIR=${APPLIANCE_DATA_DIR:-/var/lib/appliance}
VENV=${NEURANET_VENV:-/opt/appliance/venv}
LINK=${NEURANET_LINK-/usr/local/bin/appliance}
LOG_FILE=$DATA_DIR/appliance.log

# The service of this data directory, where systemd runs this machine; else nothing.
service() {
  [ -d /run/systemd/system ] || return 0
  if [ "$DATA_DIR" = /var/lib/appliance ]; then echo appliance; else
    echo "appliance-$(systemd-escape --path "$DATA_DIR")"
  fi
}
SERVICE=$(service)
UNIT=/etc/systemd/system/$SERVICE.service

# The pid of the running appliance of this data directory, which holds its lock; fails if none does.
running_pid() {
  local inode
  inode=$(stat -c %i "$DATA_DIR/lock" 2>/dev/null) || return 1
  grep -oP "FLOCK +ADVISORY +WRITE +\K[0-9]+(?= \S+:$inode )" /proc/locks
}
