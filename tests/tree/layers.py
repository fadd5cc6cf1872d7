# SPDX-License-Identifier: GPL-2.0-only
"""No include goes up: folders are layers (docs/architecture.md §2), and this is the table."""

import re

from source_tree import CODE, files, lines, main

MAY_USE = {
    "model": {"model"},
    "firmware": {"firmware", "model"},
    "target": {"target", "model"},  # sim/native/target: the header that model/ sees must not show it the simulator
    "sim": {"sim", "target", "model"},
    "scenarios": {"scenarios", "sim", "target", "model"},
    "bench": {"bench", "scenarios", "sim", "target", "model", "tests/catch.hpp"},
    "cli": {"cli", "bench", "scenarios", "sim", "firmware", "target", "model"},
    "tests": {"tests", "cli", "bench", "scenarios", "sim", "firmware", "target", "model"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
# What a kernel may include beside our own: std headers, Boost, libfdt.
MODEL_SYSTEM = re.compile(r"[a-z_]+(\.h)?|boost/.+")


def layer(path):
    return "target" if path.startswith("sim/native/target/") or path == "platform_target.hpp" else path.split("/")[0]


def check(root):
    findings = []
    for path in files(root, CODE, below=[f for f in MAY_USE if f != "target"]):
        user = layer(path)
        for number, line in lines(root, path, keep_includes=True):
            match = INCLUDE.match(line)
            if not match:
                continue
            quote, name = match.groups()
            used = layer(name)
            wrong = None
            if used not in MAY_USE:
                if quote == '"':
                    wrong = "is not a path from the repository root"
                elif user == "model" and not MODEL_SYSTEM.fullmatch(name):
                    wrong = "is not for the model: only std, Boost and libfdt"
            elif used not in MAY_USE[user] and name not in MAY_USE[user] and name != "platform_target.hpp":
                wrong = f"is above {user}/"
            if wrong:
                findings.append(f"{path}:{number}: {name} {wrong}")
    return findings


CLEAN = {
    "model/a.hpp": '#include "model/b.hpp"\n#include "platform_target.hpp"\n#include <boost/x.hpp>\n#include <libfdt.h>\n',
    "sim/native/target/platform_target.hpp": '#include "model/types.hpp"\n',
    "sim/a.cpp": '#include "model/a.hpp"\n#include <fmt/format.h>\n',
    "bench/a.cpp": '#include "tests/catch.hpp"\n#include "scenarios/engine/run.hpp"\n',
    "tests/model/a.cpp": '#include "cli/x.hpp"\n// #include "nowhere.hpp"\n',
}
PLANTED = {
    "model uses sim": {"model/x.cpp": '#include "sim/machine.hpp"\n'},
    "model uses fmt": {"model/x.cpp": "#include <fmt/format.h>\n"},
    "model uses firmware": {"model/boot/x.cpp": '#  include <firmware/x.hpp>\n'},
    "target uses sim": {"sim/native/target/x.hpp": '#include "sim/machine.hpp"\n'},
    "sim uses scenarios": {"sim/x.cpp": '#include "scenarios/engine/run.hpp"\n'},
    "sim uses firmware": {"sim/x.cpp": '#include "firmware/x.hpp"\n'},
    "scenarios use cli": {"scenarios/engine/x.cpp": '#include "cli/x.hpp"\n'},
    "code uses tests": {"bench/x.cpp": '#include "tests/support/x.hpp"\n'},
    "relative": {"sim/x.cpp": '#include "machine.hpp"\n'},
}

if __name__ == "__main__":
    main(check, CLEAN, PLANTED)
