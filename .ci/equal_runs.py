#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Two builds of baton play the same scenarios and must say the same, down to the last byte of JSON.

    .ci/equal_runs.py BATON BATON ARGUMENT...     arguments as of `baton run`

A build is another preset (decision D32) or another compiler (D6b). What must be equal includes, for every machine, the hash of
its final state and the hash of the whole sequence of schedule points with their ledger times. The names of the first differing
fields are printed. A comparison that cannot fail proves nothing, so results with a planted difference come first.
"""

import copy
import json
import subprocess
import sys

SHOWN_MAX = 20
HASHES = ("state_hash", "sequence_hash")


def differences(first, second, where=""):
    """Paths of the leaves that differ, with both values."""
    if type(first) is not type(second):
        return [(where, first, second)]
    if isinstance(first, dict):
        found = []
        for key in list(first) + [k for k in second if k not in first]:
            found += differences(first.get(key), second.get(key), f"{where}.{key}")
        return found
    if isinstance(first, list):
        found = [] if len(first) == len(second) else [(f"{where} (count)", len(first), len(second))]
        for i, (a, b) in enumerate(zip(first, second)):
            found += differences(a, b, f"{where}[{i}]")
        return found
    return [] if first == second else [(where, first, second)]


def name(run):
    return f"{run['scenario']} [{run['arch']}, {run['target']}, seed {run['seed']}]"


def compare(first, second):
    """Lines of what differs between two lists of runs."""
    lines = [] if len(first) == len(second) else [f"{len(first)} runs and {len(second)} runs"]
    for a, b in zip(first, second):
        lines += [f"{name(a)}: {where.lstrip('.')}: {x!r} and {y!r}" for where, x, y in differences(a, b)]
    return lines


def play(baton, arguments):
    done = subprocess.run([baton, "run", "--json", "-v", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{baton}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr}")
    runs = json.loads(done.stdout)["runs"]
    for run in runs:
        if run["verdict"] != "pass" or any(len(run[h]) != 32 for h in HASHES):
            sys.exit(f"{baton}: {name(run)}: no result to compare: {run['verdict']}")
    return runs


def self_check(runs):
    def planted(change):
        changed = copy.deepcopy(runs)
        change(changed)
        return compare(runs, changed)

    last = max(i for i, run in enumerate(runs) if run["phases"] and run["log"])
    plants = {
        "a sequence hash": lambda r: r[last].update(sequence_hash="0" * 32),
        "a state hash": lambda r: r[0].update(state_hash="0" * 32),
        "one nanosecond": lambda r: r[last]["phases"][0].update(time_ns=r[last]["phases"][0]["time_ns"] + 1),
        "a unit of work": lambda r: r[last]["phases"][0]["work"].update(pages_copied=-1),
        "a line of a kernel's log": lambda r: r[last]["log"].pop(),
        "a run": lambda r: r.pop(),
    }
    if compare(runs, copy.deepcopy(runs)):
        sys.exit("self-check: equal runs differ")
    for what, change in plants.items():
        if not planted(change):
            sys.exit(f"self-check: {what} was changed, and nobody noticed")


def main():
    first, second, *arguments = sys.argv[1:]
    runs = play(first, arguments)
    self_check(runs)
    lines = compare(runs, play(second, arguments))
    print("\n".join(lines[:SHOWN_MAX]) + ("\n" if lines else "") + f"{len(runs)} runs, {len(lines)} differences")
    sys.exit(1 if lines else 0)


if __name__ == "__main__":
    main()
