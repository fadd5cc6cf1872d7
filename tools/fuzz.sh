#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Fuzzes what reads handovers (tests/fuzz) for SECONDS, beginning with the corpus in the tree and seeds made of the
# captures. New inputs go to build/fuzz/corpus; a crash is written to build/fuzz/ and ends the run with 1.
#
#   tools/fuzz.sh [SECONDS] [--merge]    600 s if left out; --merge: afterwards, put into tests/fuzz/corpus what covers
#                                        more, as few and small files as possible
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
seconds=${1:-600}
build=$root/build/fuzz

"$root/tools/setup.sh" --ci
"$root/tools/build.sh" fuzz fuzz_handover fuzz_seeds
mkdir -p "$build/corpus" "$build/seeds"
"$build/tests/fuzz_seeds" "$root/tests/data/linux-kho" "$build/seeds"
cd "$build"
options=(-max_len=65536 -timeout=20 -rss_limit_mb=3000 -use_value_profile=1)
ASAN_OPTIONS=detect_leaks=1 tests/fuzz_handover "${options[@]}" -max_total_time="$seconds" -print_final_stats=1 \
  corpus "$root/tests/fuzz/corpus" seeds || { printf 'fuzz: an input of %s fails\n' "$build" >&2; exit 1; }
if [[ ${2:-} == --merge ]]; then
  tests/fuzz_handover -max_len=16384 -merge=1 "$root/tests/fuzz/corpus" corpus seeds
fi
