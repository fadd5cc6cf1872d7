#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Brings build/PRESET up to date: setup, configure, build. Silent when there is nothing to do; on a terminal a line of
# progress, in a pipe one line, always on stderr; the whole output only when it fails. One at a time: a lock covers it.
#
#   tools/build.sh PRESET [TARGET...]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
preset=$1
shift
build=$root/build/$preset
log=$build/build.log

mkdir -p "$build"
exec 9>"$root/build/.lock"
if ! flock --nonblock 9; then
  printf 'baton: waiting for another build\n' >&2
  flock 9
fi
"$root/tools/setup.sh" 9>&-

fail() {
  cat "$log" >&2
  printf 'baton: %s failed (preset %s); this is its output: %s\n' "$1" "$preset" "$log" >&2
  exit 70
}

# Again when something was fetched since: CMake remembers what it did not find.
if [[ ! -f $build/build.ninja || $root/.deps -nt $build/.configured ]]; then
  printf 'baton: configuring (preset %s)\n' "$preset" >&2
  cmake -S "$root" --preset "$preset" 9>&- >"$log" 2>&1 || { rm -f "$build/build.ninja"; fail "cmake"; }
  touch "$build/.configured"
fi

# Shows ninja's progress and keeps its output in the log.
progress() {
  local line said=
  : >"$log"
  while IFS= read -r line; do
    printf '%s\n' "$line" >>"$log"
    [[ $line =~ ^\[([1-9][0-9]*/[0-9]+)\] ]] || continue  # 0/2 is the look for new files
    if [[ -t 2 ]]; then
      printf '\r\033[Kbaton: building %s' "${BASH_REMATCH[1]}" >&2
    elif [[ -z $said ]]; then
      printf 'baton: building (preset %s)\n' "$preset" >&2
    fi
    said=1
  done
  if [[ -n $said && -t 2 ]]; then printf '\r\033[K' >&2; fi
}

NINJA_STATUS='[%f/%t] ' ninja -C "$build" "$@" 9>&- 2>&1 | progress || fail "the build"
