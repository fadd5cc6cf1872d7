# SPDX-License-Identifier: GPL-2.0-only
"""The rows of specs/memblock.md §10 as traces, played by turns on our memblock and on Linux's.

The machine may be busy with other things: a row of a run is the median of many short sections, each run plays both, one
right after the other, and what counts is the median of the ratios of such pairs. Both must come to the same checksum of
all answers.
"""

import random
import statistics
import subprocess

STEP = 0x2000  # regions of one page with one page between them
PAGE = 0x1000
BASE = 0x100000000
HOLE = 0x100000  # what only the first or the last free range can hold

ROWS = (
    ("add_ascending", "add, build ascending (average over the build)"),
    ("add_random", "add, build random"),
    ("add_one", "add one at full size"),
    ("remove_one", "remove one"),
    ("reserve_ascending", "reserve, build ascending"),
    ("reserve_random", "reserve, build random"),
    ("reserve_one", "reserve one at full size"),
    ("free_one", "free one"),
    ("is_reserved", "is_reserved (binary search)"),
    ("overlap", "region overlap test"),
    ("alloc_first", "alloc, first candidate fits (top-down)"),
    ("alloc_last_down", "alloc, last candidate fits (top-down)"),
    ("alloc_last_up", "alloc, last candidate fits (bottom-up)"),
    ("walk", "free-range walk, per range"),
)


class Writer:
    def __init__(self):
        self.lines = []

    def section(self, name, lines):
        self.lines.append(f"# time {name}")
        self.lines += lines

    def untimed(self, lines):
        self.section("", lines)


def slot(i):
    return BASE + i * STEP


def ranges_of(verb, slots):
    return [f"{verb} {slot(i):#x} {PAGE:#x}" for i in slots]


def one_by_one(w, rng, n, add, remove, name_add, name_remove, rounds):
    """Some of the regions are taken out and put back, so that the list stays at full size."""
    for _ in range(rounds):
        some = rng.sample(range(n), min(16, n // 4))
        w.section(name_remove, ranges_of(remove, some))
        w.section(name_add, ranges_of(add, some))


def allocations(w, n, rounds, count):
    end = slot(n)
    for _ in range(rounds):
        for name, bounds, up in (("alloc_first", f"0 {end:#x}", 0), ("alloc_last_down", f"0 {end:#x}", 0),
                                 ("alloc_last_up", f"{BASE:#x} 0", 1)):
            size = 64 if name == "alloc_first" else HOLE
            w.untimed([f"bottomup {up}"])
            w.section(name, [f"alloc {size:#x} 0x40 {bounds}"] * count)
            if name == "alloc_first":
                w.untimed([f"free {end - PAGE:#x} {PAGE:#x}"])
            elif up:
                w.untimed([f"free {end:#x} {64 * HOLE:#x}"])
            else:
                w.untimed([f"free {BASE - 64 * HOLE:#x} {64 * HOLE:#x}"])


def trace(n, seed):
    """Everything for lists of n regions; small lists are built and asked many times."""
    rng = random.Random(seed)
    w = Writer()
    rounds = max(1, min(200, 20000 // n))
    builds = max(1, min(100, 20000 // n))
    shuffled = list(range(n))
    for verb, remove, prefix in (("add", "remove", "add"), ("reserve", "free", "reserve")):
        for order in ("random", "ascending"):
            for _ in range(builds):
                rng.shuffle(shuffled)
                w.untimed(["reset"])
                w.section(f"{prefix}_{order}", ranges_of(verb, shuffled if order == "random" else range(n)))
        one_by_one(w, rng, n, verb, remove, f"{prefix}_one", "remove_one" if verb == "add" else "free_one",
                   max(4, rounds))
    w.untimed([f"add {BASE - 64 * HOLE:#x} {n * STEP + 128 * HOLE:#x}"])
    # The walk brings the list into the caches of both: Linux's overlap test would do that for Linux only.
    for _ in range(max(20, min(100, rounds))):
        w.untimed(["ranges"])
        w.section("is_reserved", [f"isres {BASE + rng.randrange(n * STEP):#x}" for _ in range(128)])
        w.section("overlap", [f"regres {slot(rng.randrange(n)) + PAGE:#x} {PAGE:#x}" for _ in range(4)])
    allocations(w, n, max(2, rounds // 4), 8)
    for _ in range(max(3, rounds // 4)):
        w.untimed(["ranges"])
        w.section("walk", ["ranges"])
    return w.lines


def measure(binary, path, presize):
    """{row: ns per operation, the median of its sections} and the checksums in order."""
    done = subprocess.run([binary, path, "--time", "--presize", str(presize)], capture_output=True, text=True, check=True)
    rows, checksums = {}, []
    for line in done.stdout.split("\n"):
        words = line.split()
        if len(words) != 4:
            continue
        rows.setdefault(words[0], []).append(int(words[2]) / int(words[1]))
        checksums.append(words[3])
    return {row: statistics.median(sections) for row, sections in rows.items()}, checksums


def run(ours, linux, folder, sizes, runs):
    """Prints the table; 0 if all answers were the same."""
    results = {}
    for n in sizes:
        path = f"{folder}/{n}.trace"
        with open(path, "w") as file:
            file.write("\n".join(trace(n, 1)) + "\n")
        for i in range(runs):
            pair = {}
            for name, binary in (("ours", ours), ("linux", linux)) if i % 2 else (("linux", linux), ("ours", ours)):
                pair[name], checksums = measure(binary, path, 4 * n + 100)
                if pair.setdefault("checksums", checksums) != checksums:
                    print(f"{n} regions: the answers differ")
                    return 1
            for row, _ in ROWS:
                mine, theirs = pair["ours"][row], pair["linux"][row]
                results.setdefault((row, n), []).append((mine, theirs, theirs / mine))
    print("ns per operation, Linux / ours, and how many times faster ours is (median of interleaved pairs)\n")
    print("| operation | " + " | ".join(f"{n}" for n in sizes) + " |")
    print("|---|" + "---|" * len(sizes))
    worst = None
    for row, title in ROWS:
        cells = []
        for n in sizes:
            mine, theirs, ratio = (statistics.median(v) for v in zip(*results[row, n]))
            cells.append(f"{theirs:.4g} / {mine:.4g} = {ratio:.2f}")
            worst = min(worst or (ratio, title, n), (ratio, title, n))
        print(f"| {title} | " + " | ".join(cells) + " |")
    print(f"\nworst ratio: {worst[0]:.2f} ({worst[1]}, {worst[2]} regions)")
    return 0
