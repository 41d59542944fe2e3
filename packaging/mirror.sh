# Shared by elsewhere.sh and vm.sh: where Debian comes from.

# The mirror that this machine's own packages come from.
mirror() {
  local found
  apt-get update -q >/dev/null
  found=$(apt-get indextargets --format '$(REPO_URI)' \
    'Created-By: Packages' 'Origin: Debian' 'Label: Debian')
  [ -n "$found" ] || { echo "no Debian mirror in this machine's APT configuration" >&2; return 1; }
  head -n 1 <<<"$found"
}
