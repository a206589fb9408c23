#!/usr/bin/env bash
# Debian packages that the tests and the base image need: installed when root, named otherwise.
set -euo pipefail

missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
command -v redis-server >/dev/null || missing+=(redis-server)
[ -x /usr/lib/postgresql/15/bin/postgres ] || missing+=(postgresql-15)
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "missing: ${missing[*]}; install with: sudo apt-get install ${missing[*]}" >&2
    exit 0
fi
apt-get update -qq
# The tests start servers of their own: none is to be started by its installation (invoke-rc.d asks RUNLEVEL).
RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
