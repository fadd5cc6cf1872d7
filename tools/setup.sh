#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Installs what building Baton needs, and nothing that is already there: Debian packages (tools/packages.txt), and
# into .deps/ the Unicorn wheel and libfdt for AArch64 guests. With everything in place it takes a few hundredths of a
# second, so ./baton runs it always.
#
#   tools/setup.sh [--ci]     --ci: also what .ci/run needs
#
# Exit codes: 0 all is there; 3 this machine cannot build Baton, and why.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
unicorn=$root/.deps/unicorn-2.1.4
libfdt=$root/.deps/libfdt-arm64-1.6.1

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
    "  for AArch64 guests: aarch64-linux-gnu-g++, and libfdt.a for it in .deps/libfdt-arm64-1.6.1/{include,lib}" \
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

# What is fetched lands in .deps/ whole, by a rename; whether it still is, its files tell. One fetches at a time, and
# whatever an interrupted one left behind goes first.
whole() {
  local file
  for file in "${@:2}"; do [[ -s $1/$file ]] || return; done
}
unicorn_is_whole() {
  whole "$unicorn/unicorn/include/unicorn" unicorn.h x86.h arm64.h platform.h &&
    { whole "$unicorn/unicorn/lib" libunicorn.a || whole "$unicorn/unicorn/lib" libunicorn.so.2; }
}
libfdt_is_whole() { whole "$libfdt" lib/libfdt.a include/fdt.h include/libfdt.h include/libfdt_env.h; }
begin_fetch() {
  mkdir -p "$root/.deps"
  exec 8>"$root/.deps/.lock"
  flock 8
  rm -rf "$root"/.deps/fetch.*
  work=$(mktemp -d "$root/.deps/fetch.XXXXXX")
  trap 'rm -rf "$work" "${log:-}"' EXIT
}

# Unicorn: a system package of at least 2.1 serves too (cmake/Unicorn.cmake looks for it first).
fetch_unicorn() {
  /usr/bin/python3 -m pip --quiet --disable-pip-version-check download --no-deps --require-hashes \
    --only-binary :all: --dest "$work" --requirement "$root/tools/unicorn.txt" </dev/null >&2 ||
    fail "pip could not fetch Unicorn 2.1.4 (tools/unicorn.txt). Check the network and pip's configuration," \
      "or install Unicorn 2.1 or newer with its headers, so that pkg-config finds it"
  /usr/bin/python3 -m zipfile -e "$work"/unicorn-*.whl "$work/tree"
  rm -rf "$unicorn"
  mv -T "$work/tree" "$unicorn"
  unicorn_is_whole || fail "the wheel of Unicorn 2.1.4 lacks its headers or its library: $unicorn"
}
if ! unicorn_is_whole && ! pkg-config --atleast-version=2.1 unicorn 2>/dev/null; then
  printf 'baton: fetching Unicorn 2.1.4\n' >&2
  begin_fetch
  unicorn_is_whole || fetch_unicorn
  rm -rf "$work"
fi

# libfdt for AArch64 guests, from bookworm's package of that architecture, without telling the system's apt of the
# latter: package lists and caches of its own, and dpkg -x instead of an installation. Without it there are no AArch64
# guests; everything else works, so failing here is no more than a remark.
fetch_libfdt() {
  local deb=libfdt-dev_1.6.1-4+b1_arm64.deb
  local sha256=a5ab8f5de4187c8f851f817c6882772cf330a894539f4ddcd44726aeb801fa9a
  local arm64=(apt-get -qq -oAPT::Architecture=arm64 -oAPT::Architectures=arm64 -oDebug::NoLocking=1
    -oAPT::Sandbox::User= "-oDir::State::Lists=$work/lists" "-oDir::Cache=$work/cache")
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/tree"
  cd "$work"
  "${arm64[@]}" update && "${arm64[@]}" download libfdt-dev=1.6.1-4+b1 || return
  sha256sum --check --quiet <<<"$sha256  $deb" || return
  dpkg -x "$deb" "$work/package" || return
  # Headers in a folder of their own: all of /usr/include misleads the cross compiler.
  mkdir "$work/tree/lib" "$work/tree/include" &&
    mv "$work"/package/usr/lib/aarch64-linux-gnu/libfdt.a "$work/tree/lib/" &&
    mv "$work"/package/usr/include/*fdt*.h "$work/tree/include/" &&
    rm -rf "$libfdt" && mv -T "$work/tree" "$libfdt" && libfdt_is_whole
}
# After a failure the next try is a day away: an attempt without network may take minutes.
if ! libfdt_is_whole && [[ -z $(find "$libfdt.failed" -mtime -1 2>/dev/null) ]]; then
  printf 'baton: fetching libfdt for AArch64 guests\n' >&2
  begin_fetch
  if ! libfdt_is_whole && ! (fetch_libfdt </dev/null >&2); then
    touch "$libfdt.failed"
    printf 'baton: %s\n' "apt-get gave no libfdt-dev 1.6.1-4+b1 for arm64: there will be no AArch64 guests." \
      "Is bookworm in its sources? To try again: rm $libfdt.failed" >&2
  else
    rm -f "$libfdt.failed"
  fi
  rm -rf "$work"
fi
