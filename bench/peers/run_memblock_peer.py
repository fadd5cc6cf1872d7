#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Our memblock beside Linux's own: the same answers, and at what cost (docs/memblock.md).

    run_memblock_peer.py OURS compare [--traces N] [--ops N] [--seed S]   random traces, answers line by line
    run_memblock_peer.py OURS play TRACE [--presize N]                    one trace, answers line by line
    run_memblock_peer.py OURS bench [--sizes 100,1000,…] [--runs N]       ns per operation, side by side
    run_memblock_peer.py OURS upstream                                    builds and runs upstream's own tests

OURS is build/<preset>/bench/peers/memblock_trace. Linux's comes from the installed package linux-source-6.12 (or the
newest other one), is built in --cache outside of this repository (default ~/.cache/baton/memblock_peer), and nothing of
it is kept here. Exit code 0: equal; 1: a difference, shrunk and printed; 3: no package, or it does not build.
"""

import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import memblock_bench  # noqa: E402
import memblock_random  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
MEMBERS = ("tools/include/", "tools/testing/memblock/", "tools/testing/selftests/kselftest.h", "tools/arch/x86/include/",
           "tools/lib/slab.c", "tools/lib/cmdline.c", "mm/memblock.c", "include/linux/")
SECONDS_MAX = 60
HARNESS = "tools/testing/memblock"
ANSWER = re.compile(r"(-?\d|  |\.|memory cnt=|reserved cnt=|page-|arrays-overlap)")


def give_up(message):
    print(f"run_memblock_peer.py: {message}", file=sys.stderr)
    sys.exit(3)


def source_package():
    preferred = "/usr/src/linux-source-6.12.tar.xz"
    found = sorted(glob.glob("/usr/src/linux-source-*.tar.xz"))
    if not found:
        give_up("no Linux source package: `apt-get install linux-source-6.12 gcc make liburcu-dev`")
    return preferred if preferred in found else found[-1]


def unpack(package, cache):
    """The few folders that the harness needs; the folder they are in."""
    version = os.path.basename(package).removesuffix(".tar.xz")
    stamp = f"{version} {os.stat(package).st_mtime_ns}"
    tree = os.path.join(cache, version)
    stamp_file = os.path.join(cache, version + ".stamp")
    if os.path.exists(stamp_file) and open(stamp_file).read() == stamp:
        return tree
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(cache, exist_ok=True)
    print(f"run_memblock_peer.py: unpacking {package}", file=sys.stderr)
    with tarfile.open(package) as archive:
        for member in archive:
            if member.name.partition("/")[2].startswith(MEMBERS):
                archive.extract(member, cache, filter="fully_trusted")
    with open(stamp_file, "w") as file:
        file.write(stamp)
    return tree


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        give_up(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def build_peer(cache):
    """Compiles the driver around the unchanged mm/memblock.c; the binary."""
    tree = unpack(source_package(), cache)
    harness = os.path.join(tree, HARNESS)
    folder = os.path.join(tree, "peer")
    os.makedirs(folder, exist_ok=True)
    run(["make", "-C", harness, "include"])
    shutil.copy(os.path.join(tree, "mm/memblock.c"), folder)
    shutil.copy(os.path.join(HERE, "linux/internal.h"), folder)  # found before the harness's own
    binary = os.path.join(folder, "linux_memblock_trace")
    run(["gcc", "-O2", "-w", "-DCONFIG_PHYS_ADDR_T_64BIT", "-DCONFIG_NUMA", "-DCONFIG_NODES_SHIFT=4", "-I" + folder,
         "-I" + harness, "-I" + os.path.join(tree, "tools/include"), os.path.join(HERE, "linux/memblock_trace.c"), "-o",
         binary])
    return binary


def upstream_tests(cache):
    """Upstream's own suite, without and with NUMA."""
    harness = os.path.join(unpack(source_package(), cache), HARNESS)
    for numa in ([], ["NUMA=1"]):
        run(["make", "-C", harness, "clean"])
        run(["make", "-C", harness, "CC=gcc", *numa])
        text = run([os.path.join(harness, "main"), "-v"])
        print(f"upstream's tests{' with NUMA' if numa else ''}: {text.count('ok ')} ok, {text.count('not ok')} not")
    run(["make", "-C", harness, "clean"])
    return 0


def answers(binary, trace, presize):
    """What it prints, and whether it came to the end."""
    command = [binary, "-"] + (["--presize", str(presize)] if presize else [])
    try:
        done = subprocess.run(command, input=trace, capture_output=True, text=True, timeout=SECONDS_MAX)
    except subprocess.TimeoutExpired:
        give_up(f"{binary} does not end in {SECONDS_MAX} s; the trace begins\n{trace[:300]}")
    if done.returncode in (2, 3):  # usage or a line that does not parse; a panic ends with others
        give_up(f"{binary}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    # Linux's pr_* go to standard output too.
    return [line for line in done.stdout.split("\n") if ANSWER.match(line)], done.returncode == 0


def differs(ours, linux, lines, presize):
    trace = "\n".join(lines) + "\n"
    return answers(ours, trace, presize) != answers(linux, trace, presize)


def shrink(ours, linux, lines, presize):
    """The shortest prefix whose answers differ, then without ever smaller pieces that do not matter."""
    enough, too_few = len(lines), 0
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        if differs(ours, linux, lines[:middle], presize):
            enough = middle
        else:
            too_few = middle
    lines = lines[:enough]
    piece = max(1, len(lines) // 2)
    while piece:
        at = 0
        while at < len(lines):
            shorter = lines[:at] + lines[at + piece:]
            if shorter and differs(ours, linux, shorter, presize):
                lines = shorter
            else:
                at += piece
        piece //= 2
    return lines


def report(ours, linux, lines, presize, what):
    print(f"{what}: the answers differ. The shortest trace found{f', with --presize {presize}' if presize else ''}:\n", flush=True)
    lines = shrink(ours, linux, lines, presize)
    print("\n".join(lines))
    trace = "\n".join(lines) + "\n"
    for name, binary in (("ours", ours), ("Linux", linux)):
        text, ended = answers(binary, trace, presize)
        print(f"\n{name}{'' if ended else ' (dies)'}:\n" + "\n".join(text))
    return 1


def compare(ours, linux, options):
    operations = 0
    for seed in range(options.seed, options.seed + options.traces):
        lines, presize = memblock_random.trace(seed, options.ops)
        if differs(ours, linux, lines, presize):
            return report(ours, linux, lines, presize, f"seed {seed}")
        operations += len(lines)
    print(f"{options.traces} traces, {operations} lines: our memblock and Linux's answer the same")
    return 0


def play(ours, linux, options):
    with open(options.trace) as file:
        lines = file.read().split("\n")
    if differs(ours, linux, lines, options.presize):
        return report(ours, linux, lines, options.presize, options.trace)
    print(f"{options.trace}: {len(lines)} lines, the same answers")
    return 0


def bench(ours, linux, options):
    with tempfile.TemporaryDirectory() as folder:
        return memblock_bench.run(ours, linux, folder, [int(s) for s in options.sizes.split(",")], options.runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ours")
    parser.add_argument("--cache", default=os.path.expanduser("~/.cache/baton/memblock_peer"))
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("compare")
    verb.add_argument("--traces", type=int, default=200)
    verb.add_argument("--ops", type=int, default=2000)
    verb.add_argument("--seed", type=int, default=1)
    verb = verbs.add_parser("play")
    verb.add_argument("trace")
    verb.add_argument("--presize", type=int, default=0)
    verb = verbs.add_parser("bench")
    verb.add_argument("--sizes", default="100,1000,10000,100000")
    verb.add_argument("--runs", type=int, default=5)
    verbs.add_parser("upstream")
    options = parser.parse_args()
    if options.verb == "upstream":
        return upstream_tests(options.cache)
    linux = build_peer(options.cache)
    return {"compare": compare, "play": play, "bench": bench}[options.verb](options.ours, linux, options)


if __name__ == "__main__":
    sys.exit(main())
