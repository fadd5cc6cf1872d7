# SPDX-License-Identifier: GPL-2.0-only
"""The native archive of model/ holds nothing that a guest could not link or boot with (decision D14).

No heap, no exceptions, no guarded statics, no writable static data (constant tables that need relocation are in
.data.rel.ro and fine), no static constructors.

    native_archive.py ROOT LIBRARY COMPILER NM
"""

import re
import subprocess
import sys
import tempfile

from source_tree import report

UNDEFINED = re.compile(r"_Zn[wa]|_Zd[la]|malloc$|calloc$|free$|__cxa_|_Unwind_|__gxx_personality|_ZSt\d+__throw_")
WRITABLE = re.compile(r"\.(data(?!\.rel\.ro)|bss|tdata|tbss|init_array)|\*COM\*")


def check(nm, library):
    out = subprocess.run([nm, "--format=sysv", library], check=True, capture_output=True, text=True).stdout
    findings, member = [], library
    for line in out.splitlines():
        if header := re.match(r"(?:Undefined symbols|Symbols) from (.+):$", line):
            member = re.sub(r".*\[(.+)\]", r"\1", header.group(1))
        fields = [f.strip() for f in line.split("|")]
        if len(fields) != 7 or fields[0] == "Name":
            continue
        name, kind, section = fields[0], fields[2], fields[6]
        if kind in "Uw" and UNDEFINED.match(name):
            findings.append(f"{member}: needs {name}")
        elif kind not in "Uw" and WRITABLE.match(section) or name.startswith("_GLOBAL__sub_I"):
            findings.append(f"{member}: {name} in {section}: static data of the model must be constexpr")
    return findings


def self_check(nm, compiler):
    clean = "constexpr const char* kNames[] = {\"a\"}; const char* name(int i) { return kNames[i]; }\n"
    planted = {
        "new": "int* make() { return new int; }\n",
        "throw": "void fail() { throw 1; }\n",
        "data": "int counter = 1;\n",
        "bss": "static int hidden; int* expose() { return &hidden; }\n",
        "guard": "int init(); int once() { static int value = init(); return value; }\n",
        "constructor": "int init(); const int kValue = init(); const int* expose() { return &kValue; }\n",
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, text in [("clean", ""), *planted.items()]:
            source, obj = f"{folder}/{name}.cpp", f"{folder}/{name}.o"
            with open(source, "w", encoding="utf-8") as f:
                f.write(clean + text)
            subprocess.run([compiler, "-std=c++23", "-O2", "-fPIE", "-c", source, "-o", obj], check=True)
            if bool(check(nm, obj)) != (name != "clean"):
                sys.exit(f"self-check '{name}': findings {check(nm, obj)}")


if __name__ == "__main__":
    _, _, LIBRARY, COMPILER, NM = sys.argv
    self_check(NM, COMPILER)
    report(check(NM, LIBRARY))
