#!/usr/bin/env bash
# Stops the appliance that packaging/up.sh started. Its containers keep running.
set -euo pipefail
. "$(cd "$(dirname "$0")" && pwd)/common.sh"

[ "$(id -u)" = 0 ] || exec sudo --preserve-env "$0" "$@"
if [ -n "$SERVICE" ] && [ -e "$UNIT" ]; then
  quietly "stopping the service $SERVICE" systemctl disable --now "$SERVICE"
  rm "$UNIT"
  quietly "systemctl daemon-reload" systemctl daemon-reload
elif pid=$(running_pid); then
  kill -TERM "$pid"
else
  say "server: does not run"
  exit 0
fi
for _ in $(seq 100); do
  if ! running_pid >/dev/null; then
    say "server: stopped; its containers keep running (packaging/up.sh takes them up again)"
    exit 0
  fi
  sleep 0.2
done
die "pid $(running_pid) did not end within 20 s"
