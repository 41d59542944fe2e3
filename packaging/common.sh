# Shared by up.sh and down.sh: where things are, and how a step is told.

say() { printf '%s\n' "$*"; }
die() { printf 'failed: %s\n' "$*" >&2; exit 1; }

# Runs a command quietly; on failure shows what it said.
quietly() {
  local what=$1 output; shift
  output=$("$@" 2>&1) || { printf '%s\n' "$output" >&2; die "$what"; }
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

DATA_DIR=${APPLIANCE_DATA_DIR:-/var/lib/appliance}
HTTP=${APPLIANCE_LISTEN_HTTP:-127.0.0.1:8080}
HTTPS=${APPLIANCE_LISTEN_HTTPS:-0.0.0.0:8443}
HTTP=${HTTP/#0.0.0.0:/127.0.0.1:}
VENV=${NEURANET_VENV:-/opt/appliance/venv}
PID_FILE=$DATA_DIR/appliance.pid
LOG_FILE=$DATA_DIR/appliance.log

# The pid of the running appliance of this data directory; fails if there is none.
running_pid() {
  local pid
  pid=$(as_root cat "$PID_FILE" 2>/dev/null) || return 1
  as_root tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q 'appliance serve' || return 1
  echo "$pid"
}
