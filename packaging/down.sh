#!/usr/bin/env bash
# Stops the appliance that packaging/up.sh started. Its containers keep running.
set -euo pipefail
. "$(cd "$(dirname "$0")" && pwd)/common.sh"

[ "$(id -u)" = 0 ] || exec sudo --preserve-env "$0" "$@"
if ! pid=$(running_pid); then
  say "server: does not run"
  exit 0
fi
kill -TERM "$pid"
for _ in $(seq 100); do
  if [ ! -d "/proc/$pid" ]; then
    rm -f "$PID_FILE"
    say "server: stopped; its containers keep running (packaging/up.sh takes them up again)"
    exit 0
  fi
  sleep 0.2
done
die "pid $pid did not end within 20 s; see $LOG_FILE"
