#!/usr/bin/env python3
"""Counts the instructions of the hot paths and compares them with bench/instructions.json.

Counts depend on the compiler and the C library, not on the machine's load: what was noted for other versions of them is
compared all the same, but its differences are only reported.

  instructions.py ROOT --program BUILD/bench/bench_instructions          compare; more than 5 % above is red
  instructions.py ROOT --program ... --learn                             note the counts as they are
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ALLOWED = 1.05


def versions():
    compiler = subprocess.run(["g++", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()
    return {"compiler": f"g++ {compiler}", "libc": os.confstr("CS_GNU_LIBC_VERSION"), "machine": os.uname().machine}


def count(program, path):
    """Instructions of one operation of this path."""
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            ["valgrind", "--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*counted*",
             f"--callgrind-out-file={folder}/out", program, path],
            capture_output=True, text=True, timeout=120)
        if run.returncode != 0:
            sys.exit(f"instructions: {path}: {run.stderr.strip()[-400:]}")
        operations = int(run.stdout.split()[0])
        total = int(re.search(r"Collected : (\d+)", run.stderr).group(1))
    return total / operations


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("--program", required=True)
    parser.add_argument("--learn", action="store_true")
    arguments = parser.parse_args()
    noted_file = arguments.root / "bench" / "instructions.json"
    names = subprocess.run([arguments.program], capture_output=True, text=True, check=True).stdout.split()
    now = {name: round(count(arguments.program, name), 1) for name in names}
    here = versions()
    if arguments.learn:
        noted_file.write_text(json.dumps({"counted_with": here, "instructions_per_operation": now}, indent=2) + "\n")
    noted = json.loads(noted_file.read_text())
    before = noted["instructions_per_operation"]
    comparable = noted["counted_with"] == here
    red = False
    for name in sorted(set(now) | set(before)):
        if name not in now or name not in before:
            print(f"{name}: {'is gone' if name in before else 'is not noted'}; --learn notes what there is")
            red = True
            continue
        grown = now[name] > before[name] * ALLOWED
        red = red or (grown and comparable)
        print(f"{name:24} {now[name]:8.1f} instructions, noted {before[name]:8.1f}{'  MORE' if grown else ''}")
    if not comparable:
        print(f"noted with {noted['counted_with']}, counted with {here}: differences are only reported")
    if red:
        sys.exit("instructions: over 5 % more than noted, or not noted. If it has to be so, say why and note it: "
                 "./dev check --learn-instructions")


if __name__ == "__main__":
    main()
