#!/usr/bin/env python3
"""The ABI of <detent/c.h> is the one that was noted in tools/abi/detent_c.abi.

    abi.py ROOT             compares; prints what differs, status 1 if anything does
    abi.py ROOT --learn     notes the ABI as it is now

What is compared is a library in C that defines every function of the header with an empty body, and one function for
each of its enums, whose values travel as plain integers. That the real library has these functions is shown by the
tests, which call them all.
"""

import os
import re
import subprocess
import sys

COMPARED = ["--drop-private-types"]


def stub_of(header):
    """C that defines what the header declares."""
    functions = re.findall(r"^DETENT_C_API ([^;]*?) DETENT_C_NOEXCEPT;", header, re.M)
    enums = re.findall(r"^typedef enum (\w+)", header, re.M)
    lines = ["#include <detent/c.h>", "#define HOLD { for (;;) {} }"]
    lines += [f"{function} HOLD" for function in functions]
    lines += [f"void abi_of_{name}(enum {name} value); void abi_of_{name}(enum {name} value) HOLD" for name in enums]
    return "\n".join(lines) + "\n", len(functions)


def compiled(root):
    include = os.path.join(root, "adapters", "c", "include")
    work = os.path.join(root, "build", "abi")
    os.makedirs(work, exist_ok=True)
    with open(os.path.join(include, "detent", "c.h"), encoding="utf-8") as file:
        text, count = stub_of(file.read())
    if count == 0:
        sys.exit("no function was found in <detent/c.h>")
    with open(os.path.join(work, "stub.c"), "w", encoding="utf-8") as file:
        file.write(text)
    library = os.path.join(work, "libdetent_c.so")
    flags = ["-std=c11", "-g", "-O0", "-w", "-fPIC", "-shared", "-Wl,-soname,libdetent_c.so"]
    subprocess.run(["g++", "-x", "c", *flags, f"-I{include}", "stub.c", "-o", library], check=True, cwd=work)
    return library


def main():
    root = os.path.abspath(sys.argv[1])
    baseline = os.path.join(root, "tools", "abi", "detent_c.abi")
    library = compiled(root)
    if "--learn" in sys.argv:
        os.makedirs(os.path.dirname(baseline), exist_ok=True)
        plain = ["--no-show-locs", "--no-corpus-path", "--no-comp-dir-path", "--drop-undefined-syms"]
        with open(baseline, "w", encoding="utf-8") as file:
            subprocess.run(["abidw", *COMPARED, *plain, library], check=True, stdout=file)
        return 0
    if not os.path.exists(baseline):
        print(f"{baseline}: missing; note it with ./dev abi --learn")
        return 1
    result = subprocess.run(["abidiff", *COMPARED, baseline, library], capture_output=True, text=True)
    # abidiff answers 4 for any change, 8 besides when it cannot be compatible, 1 and 2 when it could not compare.
    if result.returncode:
        print(result.stdout + result.stderr)
        print("The ABI of <detent/c.h> changed. If that is meant: ./dev abi --learn, and say so in CHANGELOG.md.")
        return 1
    return 0


sys.exit(main())
