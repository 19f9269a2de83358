#!/usr/bin/env python3
"""Compiles each public header alone, twice in one file, with each compiler, with and without exceptions.

    headers.py ROOT [-j JOBS] -- COMPILER...
"""

import argparse
import glob
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

BASE = ["-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-c"]
WAYS = {"plain": [], "noexcept": ["-fno-exceptions", "-fno-rtti"]}


def headers(root):
    for include in includes(root):
        for place, _, files in os.walk(include):
            for name in sorted(files):
                if name.endswith((".hpp", ".h")):
                    yield os.path.relpath(os.path.join(place, name), include)


def ways_of(root, header):
    """A header over a library that needs exceptions says so; the adapters are left out of builds without them."""
    for include in includes(root):
        path = os.path.join(include, header)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                return ["plain"] if "// needs: exceptions" in file.read() else list(WAYS)
    return list(WAYS)


def includes(root):
    return [os.path.join(root, "include"), *sorted(glob.glob(os.path.join(root, "adapters", "*", "include")))]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("-j", type=int, default=os.cpu_count())
    parser.add_argument("compilers", nargs="+")
    arguments = parser.parse_args()
    root = os.path.abspath(arguments.root)
    work = os.path.join(root, "build", "headers")
    os.makedirs(work, exist_ok=True)
    launcher = [found] if (found := shutil.which("ccache")) else []

    def compiles(job):
        header, compiler, way = job
        name = header.replace("/", "_")
        source = os.path.join(work, name + ".cpp")
        target = os.path.join(work, f"{name}.{compiler}.{way}.o")
        command = [compiler, *BASE, *WAYS[way], *(f"-I{include}" for include in includes(root)), source, "-o", target]
        result = subprocess.run(launcher + command, capture_output=True, text=True)
        return None if result.returncode == 0 else f"<{header}> alone, {compiler}, {way}:\n{result.stderr}"

    jobs = []
    for header in sorted(headers(root)):
        with open(os.path.join(work, header.replace("/", "_") + ".cpp"), "w", encoding="utf-8") as file:
            file.write(f"#include <{header}>\n#include <{header}>\n")
        jobs += [(header, compiler, way) for compiler in arguments.compilers for way in ways_of(root, header)]
    with ThreadPoolExecutor(arguments.j) as pool:
        failures = [failure for failure in pool.map(compiles, jobs) if failure]
    for failure in failures:
        print(failure)
    return 1 if failures or not jobs else 0


sys.exit(main())
