# SPDX-License-Identifier: GPL-2.0-only
"""What code in model/ must not do, because it is built for three targets (decisions D5, D18, D19).

Line rules first: one pattern, one reason. Then defects: every enumerator of `enum class Defect` (the sentinel kCount
aside) is used exactly once, as `defect(Defect::NAME)`.
"""

import re

from source_tree import CODE, files, lines, main, read, strip

ISA_FOLDERS = re.compile(r"model/(boot|mm/paging)/[^/]+/")
BANNED = [
    (r"^\s*#\s*include\s*<(iostream|fstream|sstream|iomanip)>", "drags a static constructor into the guests"),
    (r"\bstd::hash\b", "differs between libraries; results must not depend on it"),
    (r"\.value\(\)", "throws; test the expected, then use * or ->"),
    (r"\b(throw|try|catch)\b", "no exceptions cross model code"),
    (r"\bnew\b(?!\s*\()|\bdelete\b\s*(\[\s*\]\s*)?[\w(:*]", "no heap of the host; construct in emulated RAM"),
]
TARGET = [
    (r"^\s*#\s*(if|ifdef|ifndef|elif)\b", "targets differ by data (Geometry), not by the preprocessor"),
    (r"\bif\s+constexpr\s*\([^)]*\b(?i:k?isa|k?arch|k?target|k?native|k?guest|x86_64|aarch64)\b",
     "targets differ by data (Geometry), not by `if constexpr`"),
]
GENERATION = [(r"\bgeneration(\(\))?\s*[!=]=|[!=]=\s*[\w.>-]*\bgeneration\b|\bswitch\s*\([^)]*\bgeneration\b",
               "only model/rules.cpp knows generations: add a field to Rules")]


def line_rules(root):
    findings = []
    for path in files(root, CODE, below=["model"]):
        rules = BANNED + ([] if ISA_FOLDERS.match(path) else TARGET) + ([] if path == "model/rules.cpp" else GENERATION)
        for number, line in lines(root, path):
            findings += [f"{path}:{number}: `{m.group(0).strip()}`: {why}"
                         for pattern, why in rules if (m := re.search(pattern, line))]
    return findings


def defect_rules(root):
    table = "model/defects.hpp"
    if table not in files(root, CODE, below=["model"]):
        return []
    match = re.search(r"enum\s+class\s+Defect\b[^{]*\{([^}]*)\}", strip(read(root, table)))
    if not match:
        return [f"{table}:1: no `enum class Defect`"]
    names = [n for n in re.findall(r"(\w+)\s*(?:=[^,]*)?(?:,|\s*$)", match.group(1)) if n != "kCount"]
    uses = {name: [] for name in names}
    for path in files(root, CODE, below=["model"]):
        if path == table:
            continue
        for number, line in lines(root, path):
            for name in re.findall(r"\bdefect\(\s*(?:\w+::)*Defect::(\w+)\s*\)", line):
                uses.setdefault(name, []).append(f"{path}:{number}")
    return [f"{table}:1: {name} is used {len(places)} times, not once {' '.join(places)}".rstrip()
            for name, places in uses.items() if len(places) != 1]


def check(root):
    return line_rules(root) + defect_rules(root)


CLEAN = {
    "model/defects.hpp": "enum class Defect : u32 {\n    kB01,  // a, b\n    kB02 = 7,\n    kCount,\n};\n",
    "model/a.cpp": "// new, throw, try\nif (k.defect(Defect::kB01)) {}\nif (k.defect(Defect::kB02)) {}\n"
                   "::new (p) Thing;\nThing(const Thing&) = delete;\nauto s = \".value()\"; u64 renewed = 1'000;\n",
    "model/rules.cpp": "return generation == Generation::k6_16 ? a : b;\n",
    "model/boot/x86_64/a.cpp": "#if 1\n#endif\n",
}
PLANTED = {
    "target #ifdef": {"model/mm/x.cpp": "#ifdef __x86_64__\n"},
    "target if constexpr": {"model/mm/x.cpp": "if constexpr (kIsa == Isa::kX86) {}\n"},
    "iostream": {"model/x.hpp": "#include <iostream>\n"},
    "hash": {"model/x.cpp": "std::hash<int> h;\n"},
    "value": {"model/x.cpp": "return r.value();\n"},
    "throw": {"model/x.cpp": "throw 1;\n"},
    "new": {"model/boot/x86_64/x.cpp": "auto* p = new Thing;\n"},
    "delete": {"model/x.cpp": "delete p;\n"},
    "generation": {"model/kho/x.cpp": "if (k.generation == Generation::k6_18) {}\n"},
    "generation switch": {"model/kho/x.cpp": "switch (k.generation) {}\n"},
    "unused defect": {"model/defects.hpp": "enum class Defect { kB01, kB02, kB03 };\n"},
    "defect used twice": {"model/x.cpp": "if (defect(Defect::kB02)) {}\n"},
}

if __name__ == "__main__":
    main(check, CLEAN, PLANTED)
