# SPDX-License-Identifier: GPL-2.0-only
"""Random memblock traces (specs/memblock.md §11) for the comparison with Linux.

Each trace is of one temper: a few hundred addresses that collide all the time, or hundreds of regions that make arrays
double, with little memory to double into or much; some go to the end of the address space.
"""

import random

PAGE = 4096
TOP = (1 << 64) - 1
KINDS = (["add"] * 8 + ["addnode"] * 6 + ["remove"] * 5 + ["reserve"] * 10 + ["free"] * 6 + ["alloc"] * 14 +
         ["hotplug", "nohotplug", "mirror", "nomap", "map", "noinit"] * 2 + ["setnode"] * 4 + ["trim", "cap", "enforce"] +
         ["limit", "bottomup", "movable"] * 2 + ["ismem", "isres", "ismap", "regmem", "regres"] * 2 +
         ["ranges", "ranges_rev"] * 2)
RARE = ("trim", "cap", "enforce")


class Temper:
    def __init__(self, rng):
        self.rng = rng
        self.presize = rng.choice((0, 0, 5000))
        self.unit = rng.choice((1, 64, PAGE, PAGE, 1 << 20))
        self.slots = rng.choice((64, 256, 1024, 4096))
        self.base = rng.choice((0, 0x10000, 1 << 20, 1 << 32))
        self.flags = rng.choice(((0,), (0, 1), (0, 1, 2, 4, 8)))
        self.nodes = rng.choice(((-1,), (16,), (0, 1), (-1, 0, 1, 2, 3, 16)))
        self.shrinking = rng.random() < 0.3  # uses the operations that make memory smaller
        self.top = rng.random() < 0.1  # goes to the end of the address space

    def address(self):
        if self.top and self.rng.random() < 0.2:
            return TOP - self.rng.randrange(4 * self.unit)
        a = self.base + self.rng.randrange(self.slots) * self.unit
        return a + (self.rng.randrange(self.unit) if self.rng.random() < 0.1 else 0)

    def size(self):
        r = self.rng.random()
        if r < 0.02:
            return 0
        # Lists that are to grow must not be emptied, or filled by one region, all the time; and if they cannot grow,
        # memory without end could not be removed before it is handed over.
        if r < 0.04 and self.presize:
            return TOP
        if r < 0.1:
            return self.rng.randrange(1, self.slots if self.presize else 12) * self.unit
        return self.rng.randrange(1, 4) * self.unit - (self.rng.randrange(self.unit) if r < 0.2 else 0)

    def node(self):
        return self.rng.choice(self.nodes)

    def alloc(self):
        size = self.rng.choice((1, 16, 100, PAGE, self.unit, 3 * self.unit, self.size()))
        start = self.rng.choice((0, 0, self.address()))
        end = self.rng.choice((0, 0, 1, TOP, self.address()))
        align = 1 << self.rng.choice((0, 3, 5, 6, 12, 12, 13, 20, 63))
        return f"alloc {size:#x} {align:#x} {start:#x} {end:#x} {self.node()} {self.rng.randrange(2)}"

    def line(self, kind):
        if kind == "alloc":
            return self.alloc()
        if kind == "addnode":
            return f"addnode {self.address():#x} {self.size():#x} {self.node()} {self.rng.choice(self.flags)}"
        if kind == "setnode":
            return f"setnode {self.address():#x} {self.size():#x} {self.node()} {self.rng.randrange(2)}"
        if kind == "trim":
            return f"trim {self.rng.choice((PAGE, self.unit, 1 << 16)):#x}"
        if kind == "enforce":
            return f"enforce {self.rng.randrange(self.slots) * self.unit:#x}"
        if kind == "limit":
            return f"limit {self.rng.choice((TOP, self.address())):#x}"
        if kind in ("bottomup", "movable"):
            return f"{kind} {self.rng.randrange(2)}"
        if kind in ("ismem", "isres", "ismap"):
            return f"{kind} {self.address():#x}"
        if kind in ("ranges", "ranges_rev"):
            return f"{kind} {self.node()} {self.rng.choice((0, 0, 1, 2, 4, 8, 15))}"
        return f"{kind} {self.address():#x} {self.size():#x}"


def trace(seed, operations):
    """The lines, and the number of entries that the arrays start with (0: what Linux starts with)."""
    rng = random.Random(seed)
    t = Temper(rng)
    lines = ["reset"]
    if not t.presize:
        lines.append("resize")
        # Room for arrays, apart from the rest: plenty, little, or none.
        room = rng.choice((64 << 20, 6 * PAGE, 0))
        if room:
            lines.append(f"add {1 << 36:#x} {room:#x}")
    for i in range(operations):
        kind = rng.choice(KINDS)
        if kind in RARE and (not t.shrinking or rng.random() < 0.8):
            kind = "add"
        if kind == "trim" and t.top:  # wraps, and leaves a list that is no longer sorted
            kind = "add"
        lines.append(t.line(kind))
        if i % 16 == 0:
            lines.append("dump")
    # What is handed over page block by page block must not be the whole address space.
    if t.top:
        return lines + ["dump", "ranges"], t.presize
    lines.append(f"remove {t.base + 2 * t.slots * t.unit:#x} {TOP:#x}")
    return lines + ["dump", "ranges", "freeall", "dump"], t.presize
