# SPDX-License-Identifier: GPL-2.0-only
"""Disassembles what was linked and refuses instructions that must not be in a guest.

    check_code.py OBJDUMP ELF...

Counters and random numbers are ways for the host's time to enter a run (decision D28). The purgatory and what runs
before the entry code enables SSE, or after the relocation code disables it, must not use it.
"""

import re
import subprocess
import sys

FORBIDDEN = {
    "time or randomness": re.compile(
        r"\t(rdtscp?|rdrand|rdseed|rdpmc)\b|\tmrs\t\w+, (cnt\w*ct(ss)?_el0|rndr(rs)?|pmccntr_el0)\b"
    ),
}
SSE = re.compile(r"%[xyz]?mm\d")
# Functions without SSE: the purgatory has nothing but such, the kernel these.
BEFORE_SSE = re.compile(r"image_|unusable|set_up|clear_bss|load_segments|build_tables|relocate_")
FUNCTION = re.compile(r"^[0-9a-f]+ <([^>]+)>:$")


def findings(listing, all_without_sse):
    found = []
    function = ""
    instructions = 0
    for line in listing.splitlines():
        if match := FUNCTION.match(line):
            function = match.group(1)
        if "\t" not in line:
            continue
        instructions += 1
        for what, pattern in FORBIDDEN.items():
            if pattern.search(line):
                found.append(f"{what} in {function}: {line.strip()}")
        if (all_without_sse or BEFORE_SSE.match(function)) and SSE.search(line):
            found.append(f"SSE in {function}: {line.strip()}")
    if instructions < 100:
        found.append("hardly any code: was it disassembled?")
    return found


def prove():
    """The check finds what it is for."""
    for planted in (
        "0 <f>:\n 0:\trdtsc\n",
        "0 <f>:\n 0:\tmrs\tx0, cntvct_el0\n",
        "0 <relocate_kernel>:\n 0:\tmovups %xmm0,(%rdi)\n",
    ):
        padding = "0 <g>:\n" + " 0:\tnop\n" * 100
        assert findings(padding, False) == [] and len(findings(padding + planted, False)) == 1, planted


def main(objdump, *files):
    prove()
    bad = False
    for file in files:
        listing = subprocess.run(
            [objdump, "-d", "--no-show-raw-insn", file], check=True, capture_output=True, text=True
        ).stdout
        for finding in findings(listing, "purgatory" in file):
            print(f"{file}: {finding}", file=sys.stderr)
            bad = True
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
