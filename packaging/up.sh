#!/usr/bin/env bash
# Brings the appliance up on a fresh Debian 12/13 or Ubuntu 24.04, and deploys `welcome`.
# Run again, it changes nothing and says so.
#   packaging/up.sh           starts it in the background, where systemd runs as a service of it, which
#                             comes back after a reboot; packaging/down.sh stops it
#   packaging/up.sh --serve   runs it in the foreground
# APPLIANCE_* settings in the environment are used; NEURANET_VENV says where it is installed,
# NEURANET_LINK where its command can be found (empty: nowhere), NEURANET_ADMIN_EMAIL who the first
# admin is (empty: nobody; the one-time set-up link is printed).
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/common.sh"

PACKAGES="podman runc crun netavark aardvark-dns catatonit busybox-static nftables iptables uidmap
  curl python3-venv"
PODMAN_FLOOR=4.3
EMAIL=${NEURANET_ADMIN_EMAIL-admin@localhost}

main() {
  case "${1:-}" in
    "" | --serve) ;;
    *) echo "usage: packaging/up.sh [--serve]" >&2; exit 2 ;;
  esac
  [ "$(id -u)" = 0 ] || exec sudo --preserve-env "$0" "$@"
  install_packages
  check_podman "$(podman --version)"
  install_appliance
  link_command
  if [ "${1:-}" = --serve ]; then
    running_pid >/dev/null && die "it runs already (pid $(running_pid)); packaging/down.sh stops it"
    exec "$VENV/bin/appliance" serve
  fi
  start
  HTTP=$(setting listen_http) HTTPS=$(setting listen_https)
  local password
  password=$(ensure_admin)
  ensure_welcome
  farewell "$password"
}

install_packages() {
  local missing=() package
  for package in $PACKAGES; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok' || missing+=("$package")
  done
  if [ ${#missing[@]} -eq 0 ]; then
    say "packages: all there"
    return
  fi
  quietly "apt-get update" apt-get update
  # Before anything is installed: an older system lacks some of the packages too, and says only that.
  check_podman "$(apt-cache policy podman | grep Candidate)"
  quietly "apt-get install ${missing[*]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "${missing[@]}"
  say "packages: installed ${missing[*]}"
}

check_podman() {
  local version
  version=$(grep -oE '[0-9]+(\.[0-9]+)+' <<<"$1" | head -n 1) || die "this system has no Podman: $1"
  printf '%s\n' "$PODMAN_FLOOR" "$version" | sort -V -C ||
    die "this system's Podman is $version, $PODMAN_FLOOR or newer is needed (Debian 12, Ubuntu 24.04)"
}

find_python() {
  local candidate
  for candidate in python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  die "Python 3.11 or newer is needed"
}

install_appliance() {
  local stamp
  stamp=$(cd "$HERE/.." && find appliance web pyproject.toml -type f ! -name '*.pyc' -print0 |
    sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
  if [ "$(cat "$VENV/stamp" 2>/dev/null)" = "$stamp" ]; then
    say "appliance: installed in $VENV"
    return
  fi
  mkdir -p "$(dirname "$VENV")"
  [ -x "$VENV/bin/python" ] || quietly "making $VENV" "$(find_python)" -m venv "$VENV"
  quietly "pip install" "$VENV/bin/pip" install -q "$HERE/.."
  echo "$stamp" >"$VENV/stamp"
  say "appliance: installed into $VENV"
  # A server of the version before gives way; its containers do not notice.
  if running_pid >/dev/null; then "$HERE/down.sh"; fi
}

# So that `appliance` is a command; what somebody else has put there stays.
link_command() {
  [ -n "$LINK" ] && [ "$(readlink "$LINK")" != "$VENV/bin/appliance" ] || return 0
  if [ -e "$LINK" ] || [ -L "$LINK" ]; then
    say "command: $LINK is another one; this one is $VENV/bin/appliance"
  else
    mkdir -p "$(dirname "$LINK")"
    ln -s "$VENV/bin/appliance" "$LINK"
    say "command: $LINK"
  fi
}

start() {
  local pid
  if pid=$(running_pid); then
    say "server: runs already (pid $pid)"
    return
  fi
  (umask 077 && mkdir -p "$DATA_DIR")
  if [ -n "$SERVICE" ]; then start_service; else start_process; fi
  for _ in $(seq 150); do
    if ask /healthz >/dev/null 2>&1; then
      say "server: started (pid $(running_pid)), its log: $(log_place)"
      return
    fi
    starting || break
    sleep 0.2
  done
  if [ -n "$SERVICE" ]; then journalctl -u "$SERVICE" -n 5 -o cat >&2; else tail -n 5 "$LOG_FILE" >&2; fi
  die "the appliance did not come up"
}

start_process() {
  setsid "$VENV/bin/appliance" serve >>"$LOG_FILE" 2>&1 </dev/null &
  STARTED=$!
}

# As podman.service of Podman's own package: its containers, and what watches them, are not the
# service's to end. The settings of this environment are kept for the next boot.
start_service() {
  (umask 077 && env | grep '^APPLIANCE_' | grep -v '^APPLIANCE_TOKEN=' | sed 's/["\\]/\\&/g; s/=\(.*\)/="\1"/' \
    >"$DATA_DIR/environment") || true
  cat >"$UNIT" <<UNIT
[Unit]
Description=Neuranet Appliance ($DATA_DIR)
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
ExecStart="$VENV/bin/appliance" serve
Environment="APPLIANCE_DATA_DIR=$DATA_DIR"
EnvironmentFile=-$DATA_DIR/environment
Delegate=true
KillMode=process
Restart=on-failure
RestartSec=2

[Install]
WantedBy=multi-user.target
UNIT
  quietly "systemctl daemon-reload" systemctl daemon-reload
  quietly "starting the service $SERVICE" systemctl enable --now "$SERVICE"
}

starting() {
  if [ -n "$SERVICE" ]; then systemctl is-active -q "$SERVICE"; else kill -0 "$STARTED" 2>/dev/null; fi
}

log_place() { if [ -n "$SERVICE" ]; then echo "journalctl -u $SERVICE"; else echo "$LOG_FILE"; fi; }

# As the machine's owner, whatever address it listens on.
ask() { curl -fsS -m 5 --unix-socket "$DATA_DIR/control.sock" "http://appliance$1"; }

# The value of a setting in force, wherever it comes from, as a client on this machine would use it.
setting() { ask /settings | "$VENV/bin/python" -c '
import json, sys
settings = {s["name"]: s["value"] for s in json.load(sys.stdin)["settings"]}
print(settings[sys.argv[1]].replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:"))' "$1"; }

# Prints the first admin's password if it made one.
ensure_admin() {
  local users password
  users=$("$VENV/bin/appliance" user ls --json) || die "can't list the users"
  if grep -q '"role": "admin"' <<<"$users"; then
    say "admin: there is one" >&2
    return
  fi
  [ -n "$EMAIL" ] || { say "admin: none yet" >&2; return; }
  password=$(head -c 15 /dev/urandom | base64 | tr '+/' 'xy')
  "$VENV/bin/appliance" user add "$EMAIL" --admin --password-stdin <<<"$password" >/dev/null ||
    die "can't add $EMAIL"
  say "admin: added $EMAIL" >&2
  echo "$password"
}

# By the public API, as any client would: a token of the machine's owner opens it.
ensure_welcome() {
  local token node body id status url
  # Read whole before it is searched: a grep that has seen enough would break the pipe, and with
  # pipefail that looks like "not found".
  if grep -q '"templateId": "welcome"' <<<"$(deployments)"; then
    say "welcome: deployed already"
  else
    token=$("$VENV/bin/appliance" token create up --expires 1d) || die "can't make a token"
    node=$(api "$token" GET /nodes | field id)
    body="{\"nodeId\": \"$node\", \"templateId\": \"welcome\"}"
    id=$(api "$token" POST /deployments "$body" | field id)
    for _ in $(seq 150); do
      status=$(api "$token" GET "/deployments/$id" | field status)
      [ "$status" = running ] || [ "$status" = failed ] && break
      sleep 0.2
    done
    "$VENV/bin/appliance" token revoke up >/dev/null
    [ "$status" = running ] || { "$VENV/bin/appliance" show "$id" >&2; die "welcome is $status"; }
    say "welcome: $id is running"
  fi
  url=$(welcome_url <<<"$(deployments)")
  if [ -z "$url" ]; then
    say "welcome: does not run now; see: $VENV/bin/appliance ps"
    return
  fi
  visit "$url/" || die "$url does not answer"
  say "endpoint: $url answers"
}

# The address of a welcome that runs, nothing if none does.
welcome_url() { "$VENV/bin/python" -c '
import json, sys
welcomes = [d for d in json.load(sys.stdin) if d["templateId"] == "welcome"]
print(next((e["url"] for d in welcomes for e in d["endpoints"]), ""))'; }

# As a browser on this machine that trusts the appliance's authority, or the owner's certificate.
visit() {
  local host=${1#https://}
  host=${host%%/*}
  case $host in *:*) ;; *) host=$host:443 ;; esac
  curl -fsS -m 5 --resolve "$host:127.0.0.1" --cacert "$DATA_DIR/tls/ca.crt" "$1" >/dev/null 2>&1 ||
    curl -fsS -m 5 --resolve "$host:127.0.0.1" "$1" >/dev/null
}

deployments() { "$VENV/bin/appliance" ps --json || die "can't list the deployments"; }

api() {
  local token=$1 method=$2 path=$3 body=${4:-}
  curl -sS -m 10 --fail-with-body -X "$method" "http://$HTTP$path" \
    -H "Authorization: Bearer $token" -H 'Content-Type: application/json' ${body:+-d "$body"} ||
    die "$method $path"
}

# The first value of that name in an answer.
field() { "$VENV/bin/python" -c '
import json, sys
answer = json.load(sys.stdin)
found = answer.get("deployment") or answer["nodes"][0]
print(found[sys.argv[1]])' "$1"; }

farewell() {
  local link appliance=$VENV/bin/appliance
  [ "$(readlink "$LINK")" != "$appliance" ] || appliance=$(basename "$LINK")
  [ -z "${SUDO_USER:-}" ] || appliance="sudo $appliance"
  say ""
  say "The page and the API are at http://$HTTP (on this machine) and https://$(hostname):${HTTPS##*:}"
  say "(https://$(hostname):${HTTPS##*:}/trust tells how a browser trusts it)."
  if [ -n "$1" ]; then
    say "Log in as $EMAIL with the password $1 (shown this once)."
  elif link=$("$VENV/bin/appliance" setup 2>/dev/null); then
    say "Make the first admin, within an hour: $link"
  else
    say "Log in as the admin you know."
  fi
  say "On this machine no login is needed: $appliance --help"
  say "Next: $appliance templates; $appliance deploy ollama --wait"
}

main "$@"
