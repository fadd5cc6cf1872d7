#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""clang-tidy over everything that is not a test, and only over what changed since it was last clean.

    .ci/tidy.py BUILD FILE...     BUILD: a folder with compile_commands.json of clang

What a result depends on: the file, the headers it includes, its compile command, .clang-tidy and the tool. A file is skipped when
a run with all of that the same was clean; build/tidy/ has an empty file for each such run. Not the tests: a test case is one large
expression of macros to clang-tidy, and takes three times as long.
"""

import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys

TIDY = "clang-tidy-19"
DATABASE = "build/tidy"
NOISE = re.compile(r"^\d+ warnings?( and \d+ errors?)? generated|^Suppressed |^\[\d+/\d+\] Processing |^Use -header-filter|^$")


def commands(build):
    """Compile commands by file: those of the build, and those of guest code, which no target of it has."""
    rows = {}
    for name in ("compile_commands.json", "guest_commands.json"):
        with open(f"{build}/{name}", encoding="utf-8") as f:
            rows |= {os.path.realpath(os.path.join(row["directory"], row["file"])): row for row in json.load(f)}
    with open(f"{DATABASE}/compile_commands.json", "w", encoding="utf-8") as f:
        json.dump(list(rows.values()), f)
    return rows


def included(command):
    """The file itself and every header it includes that is not the system's."""
    words = shlex.split(command["command"])
    while not re.search(r"clang\+\+[-\d]*$", words[0]):  # launchers
        words = words[1:]
    keep = [w for i, w in enumerate(words) if w not in ("-c", "-o") and words[i - 1] != "-o"]
    done = subprocess.run([*keep, "-MM"], cwd=command["directory"], capture_output=True, text=True, check=True)
    return sorted(set(done.stdout.replace("\\\n", " ").split(":", 1)[1].split()))


def key(command, version):
    h = hashlib.sha256(f"{version}\n{command['command']}\n".encode())
    for path in [".clang-tidy", *included(command)]:
        with open(os.path.join(command["directory"], path) if path != ".clang-tidy" else path, "rb") as f:
            h.update(f"{path}\n".encode() + f.read())
    return h.hexdigest()


def lint(path, command, version):
    """What clang-tidy says; nothing when it is clean, None when that was known before."""
    clean = f"{DATABASE}/{key(command, version)}"
    if os.path.exists(clean):
        return None
    done = subprocess.run([TIDY, "-p", DATABASE, "--quiet", "--extra-arg=-Wno-error", path], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        with open(clean, "w", encoding="utf-8"):
            pass
        return ""
    return "\n".join(line for line in (done.stdout + done.stderr).splitlines() if not NOISE.search(line)) or f"{path}: {TIDY} failed"


def main():
    build, *paths = sys.argv[1:]
    os.makedirs(DATABASE, exist_ok=True)
    version = subprocess.run([TIDY, "--version"], capture_output=True, text=True, check=True).stdout
    known = commands(build)
    missing = [p for p in paths if os.path.realpath(p) not in known]
    if missing:
        sys.exit(f"no compile command in {build} for {' '.join(missing)}")
    # The largest first, so that no long one is left for the end.
    paths.sort(key=os.path.getsize, reverse=True)
    said = []
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for text in pool.map(lambda p: lint(p, known[os.path.realpath(p)], version), paths):
            said.append(text)
            if text:
                print(text, flush=True)
    found = sum(1 for text in said if text)
    print(f"{len(paths)} files, {said.count(None)} of them known to be clean, {found} with findings")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
