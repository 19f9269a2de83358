#!/usr/bin/env python3
"""Plants each deliberate fault of adapters/script, and asks which tests of that layer find it.

  script_faults.py PROGRAM [--fault NAME ...] [--all]

PROGRAM is the layer's tests, built with the faults in (DETENT_WITH_SCRIPT_FAULTS). A fault that fewer than two tests find
is a hole: it is named, and the status is 1. Without a fault all of them have to pass. `--all` prints every finder.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ENOUGH = 2    # tests that have to find a fault
LIMIT_S = 200  # for all tests together
ALONE_S = 20   # for one test, once they have not ended together


def faults():
    """The names that stand in the sources, in their order."""
    sources = sorted((ROOT / "adapters" / "script").glob("*.cpp"))
    names = re.findall(r'planted\("([^"]+)"\)', "".join(source.read_text() for source in sources))
    return list(dict.fromkeys(names))


def run(program, fault, seconds, selection):
    """What the tests print with the fault planted; None if they did not end."""
    environment = dict(os.environ, DETENT_SHORT="1", DETENT_SCRIPT_FAULT=fault)
    try:
        done = subprocess.run([program, f"--gtest_filter={selection}"], env=environment, timeout=seconds, text=True,
                              errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode in (0, 1) else None


def tests_of(program, selection):
    listing = subprocess.run([program, "--gtest_list_tests", f"--gtest_filter={selection}"], stdout=subprocess.PIPE,
                             text=True, check=True).stdout
    names, suite = [], ""
    for line in listing.splitlines()[1:]:
        if line.startswith("  "):
            names.append(suite + line.split("#")[0].strip())
        else:
            suite = line.split("#")[0].strip()
    return names


def finders(program, fault, selection):
    """The tests that fail; one that hangs or ends the process fails too, so each is run alone then."""
    told = run(program, fault, LIMIT_S, selection)
    if told is not None:
        return sorted(set(re.findall(r"^\[  FAILED  \] (\S+?),? \(\d+ ms\)$", told, re.M)))
    found = []
    for test in tests_of(program, selection):
        told = run(program, fault, ALONE_S, test)
        if told is None or "[  FAILED  ]" in told:
            found.append(test)
        if len(found) >= ENOUGH:
            break
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--fault", action="append")
    parser.add_argument("--all", action="store_true")
    asked = parser.parse_args()
    # In virtual time the tests are quick and exact; the others are asked where these do not suffice.
    virtual, every = "-*_threads.*:*real_time*", "*"
    sound = run(asked.program, "", LIMIT_S, every)
    if sound is None or "[  FAILED  ]" in sound:
        print(sound or "the tests do not end", "\nwithout a fault the tests do not pass", sep="")
        return 1
    holes = []
    for fault in asked.fault or faults():
        found = finders(asked.program, fault, virtual)
        if len(found) < ENOUGH:
            found = finders(asked.program, fault, every)
        print(f"{len(found):3d}  {fault}: {', '.join(found if asked.all else found[:ENOUGH])}", flush=True)
        if len(found) < ENOUGH:
            holes.append(fault)
    print(f"{len(faults())} faults, {len(holes)} found by fewer than {ENOUGH} tests" + (": " if holes else "")
          + "; ".join(holes))
    return 1 if holes else 0


if __name__ == "__main__":
    sys.exit(main())
