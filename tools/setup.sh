#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Installs what building Baton needs, and nothing that is already there: Debian packages (tools/packages.txt) and the
# Unicorn wheel (into .deps/). With everything in place it takes a few hundredths of a second, so ./baton runs it always.
#
#   tools/setup.sh [--ci]     --ci: also what .ci/run needs
#
# Exit codes: 0 all is there; 3 this machine cannot build Baton, and why.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
unicorn=$root/.deps/unicorn-2.1.4

fail() { printf 'baton: %s\n' "$@" >&2; exit 3; }

lists=("$root/tools/packages.txt")
[[ ${1:-} == --ci ]] && lists+=("$root/tools/packages-ci.txt")

[[ $(uname -s) == Linux && $(uname -m) == x86_64 ]] ||
  fail "this is $(uname -s) on $(uname -m); Baton runs on x86-64 Linux hosts only, so far"

mapfile -t packages < <(sed 's/#.*//; s/ //g; /^$/d' "${lists[@]}")

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  fail "no apt-get here, so the packages must come from you. Install, with headers:" \
    "  g++ 12 or newer, CMake 3.25, Ninja, pkg-config, Python 3, optionally ccache, dtc" \
    "  Boost 1.81 or newer (headers and Context), libfdt, xxHash, zstd, Nettle, Capstone 4" \
    "  toml++ 3, CLI11 2, fmt 9, nlohmann-json 3, Catch2 (2.13 or 3), Unicorn 2.1 or newer" \
    "then: cmake --preset release && cmake --build --preset release && build/release/baton"
fi

# Prints the packages that are not installed.
missing() {
  local name present
  # dpkg-query also fails when it has never heard of one of them: its list is what counts.
  present=$(dpkg-query -W -f ' ${db:Status-Status}:${Package} ' "${packages[@]}" 2>/dev/null) || true
  for name in "${packages[@]}"; do
    [[ $present == *" installed:$name "* ]] || printf '%s\n' "$name"
  done
}

apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -y -o DPkg::Lock::Timeout=300 "$@" </dev/null >"$log" 2>&1
}

mapfile -t wanted < <(missing)
if ((${#wanted[@]})); then
  as_root=()
  if ((EUID != 0)); then
    as_root=(sudo)
    command -v sudo >/dev/null || fail "packages are missing; as root: apt-get install ${wanted[*]}"
  fi
  printf 'baton: installing %s\n' "${wanted[*]}" >&2
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  # The package lists may be missing or old: refresh them only when the first try fails.
  if ! apt install --no-install-recommends "${wanted[@]}"; then
    apt update || true
    apt install --no-install-recommends "${wanted[@]}" || {
      tail -n 15 "$log" >&2
      mapfile -t wanted < <(missing)
      for name in "${wanted[@]}"; do
        apt-cache show "$name" >/dev/null 2>&1 || printf 'baton: apt-get knows no package %s\n' "$name" >&2
      done
      fail "could not install: ${wanted[*]}" \
        "The names are Debian 12's (bookworm): on another release edit tools/packages.txt. Otherwise see why" \
        "apt-get refuses: apt-get install ${wanted[*]}"
    }
  fi
fi

# Unicorn: a system package of at least 2.1 serves too (cmake/Unicorn.cmake looks for it first).
if [[ ! -d $unicorn ]] && ! pkg-config --atleast-version=2.1 unicorn 2>/dev/null; then
  printf 'baton: fetching Unicorn 2.1.4\n' >&2
  mkdir -p "$root/.deps"
  work=$(mktemp -d "$root/.deps/fetch.XXXXXX")
  trap 'rm -rf "$work" "${log:-}"' EXIT
  /usr/bin/python3 -m pip --quiet --disable-pip-version-check download --no-deps --require-hashes \
    --only-binary :all: --dest "$work" --requirement "$root/tools/unicorn.txt" </dev/null >&2 ||
    fail "pip could not fetch Unicorn 2.1.4 (tools/unicorn.txt). Check the network and pip's configuration," \
      "or install Unicorn 2.1 or newer with its headers, so that pkg-config finds it"
  /usr/bin/python3 -m zipfile -e "$work"/unicorn-*.whl "$work/tree"
  mv -T "$work/tree" "$unicorn"
fi
