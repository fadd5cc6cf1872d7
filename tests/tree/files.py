# SPDX-License-Identifier: GPL-2.0-only
"""Each source file is one idea of at most 400 lines and says its licence first; no file names a package registry's host."""

import re

from source_tree import CODE, files, main, read

LINES_MAX = 400
LONGER_ALLOWED = {}  # path: why it cannot be split

SPDX = "SPDX-License-Identifier: GPL-2.0-only"
HASH_COMMENTED = (".py", ".sh", ".cmake", "CMakeLists.txt")
# Written in pieces so that this file passes. Dependencies are asked for by package name with the ordinary client.
HOSTS = [".".join(parts) for parts in (
    ("pypi", "org"), ("pythonhosted", "org"), ("crates", "io"), ("deb", "debian", "org"), ("registry", "npmjs", "org"),
    ("proxy", "golang", "org"), ("repo1", "maven", "org"), ("security", "debian", "org"))]


def check(root):
    findings = []
    for path in files(root, ""):
        text = read(root, path)
        count = text.count("\n")
        if path.endswith(CODE + HASH_COMMENTED) and count > LINES_MAX and path not in LONGER_ALLOWED:
            findings.append(f"{path}:{LINES_MAX + 1}: {count} lines, at most {LINES_MAX}: split it")
        first = text.split("\n", 1)[0]
        if path.endswith(CODE) and first != f"// {SPDX}" or path.endswith(HASH_COMMENTED) and SPDX not in text[:200]:
            findings.append(f"{path}:1: does not begin with '{SPDX}'")
        for number, line in enumerate(text.split("\n"), start=1):
            findings += [f"{path}:{number}: names a package registry" for host in HOSTS
                         if re.search(rf"(^|[^\w-]){re.escape(host)}\b", line)]
    return findings


CLEAN = {
    "sim/a.cpp": f"// {SPDX}\n" + "int x;\n" * (LINES_MAX - 1),
    "cmake/a.cmake": f"# {SPDX}\n",
    "docs/a.md": "prose\n" * 1000,
}
PLANTED = {
    "long": {"sim/a.cpp": f"// {SPDX}\n" + "int x;\n" * LINES_MAX},
    "no licence": {"sim/a.cpp": f"// What it is.\n// {SPDX}\n"},
    "no licence, script": {"tests/a.py": "import os\n"},
    "registry in a file of no kind": {".github": f"{HOSTS[2]}\n"},
    "registry": {"docs/a.md": f"see https://{HOSTS[0]}/project\n"},
    "registry in a script": {"tools/a.sh": f"# {SPDX}\ncurl files.{HOSTS[1]}\n"},
}

if __name__ == "__main__":
    main(check, CLEAN, PLANTED)
