# SPDX-License-Identifier: GPL-2.0-only
"""What the lints of this folder share: the files of the tree, C++ without comments and strings, the self-check.

A check that cannot fail is a defect. So each lint is a function from a root folder to a list of findings, and main()
first runs it on planted trees: every one of them must be found, and the clean one must not.
"""

import os
import re
import sys
import tempfile

CODE = (".cpp", ".hpp", ".c", ".h", ".S")
SKIPPED = {"build", ".deps", ".git", "__pycache__"}


def files(root, suffixes, below=("",)):
    """Paths relative to root, sorted, '/' as separator."""
    found = []
    for start in below:
        for folder, folders, names in os.walk(os.path.join(root, start)):
            folders[:] = [f for f in folders if f not in SKIPPED]
            found += [os.path.relpath(os.path.join(folder, n), root) for n in names if n.endswith(suffixes)]
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
        return f.read()


_SKIP = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'""", re.S)


def strip(text, keep_includes=False):
    """Blanks out comments and literals; line numbers stay."""

    def blank(match):
        piece = match.group(0)
        if piece.startswith('"') and keep_includes:
            return piece
        return '""' if piece[0] in "\"'R" and "\n" not in piece else "\n" * piece.count("\n")

    return _SKIP.sub(blank, text)


def lines(root, path, keep_includes=False):
    return enumerate(strip(read(root, path), keep_includes).split("\n"), start=1)


def plant(root, tree):
    for path, text in tree.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)


def self_check(check, clean, planted):
    """`planted` maps a name to the files that, laid over `clean`, must give exactly one finding."""
    for name, tree in [("clean", {}), *planted.items()]:
        with tempfile.TemporaryDirectory() as root:
            plant(root, clean)
            plant(root, tree)
            findings = check(root)
            if len(findings) != (0 if name == "clean" else 1):
                sys.exit(f"self-check '{name}': unexpected findings {findings}")


def report(findings):
    for finding in findings:
        print(finding)
    print(f"{len(findings)} findings")
    sys.exit(1 if findings else 0)


def main(check, clean, planted):
    self_check(check, clean, planted)
    report(check(sys.argv[1]))
