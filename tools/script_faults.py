#!/usr/bin/env python3
"""Plants each deliberate fault of adapters/script and of the engines over it, and asks which tests find it.

  script_faults.py FOLDER=PROGRAM ... [--fault NAME ...] [--all]

PROGRAM is the tests of FOLDER, built with its faults in (DETENT_WITH_SCRIPT_FAULTS). A fault that fewer than two tests of
the folders that have it find is a hole: it is named, and the status is 1. Without a fault all tests have to pass. `--all`
prints every finder.
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


def faults(folders):
    """The names that stand in the sources, in their order, with the folders where they do."""
    named = {}
    for folder in folders:
        for source in sorted((ROOT / folder).glob("*.cpp")):
            for name in re.findall(r'planted\("([^"]+)"\)', source.read_text()):
                if folder not in named.setdefault(name, []):
                    named[name].append(folder)
    return named


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
    parser.add_argument("programs", nargs="+", metavar="FOLDER=PROGRAM")
    parser.add_argument("--fault", action="append")
    parser.add_argument("--all", action="store_true")
    asked = parser.parse_args()
    # In virtual time the tests are quick and exact; the others are asked where these do not suffice.
    virtual, every = "-*_threads.*:*real_time*", "*"
    programs = dict(one.split("=", 1) for one in asked.programs)
    for program in programs.values():
        sound = run(program, "", LIMIT_S, every)
        if sound is None or "[  FAILED  ]" in sound:
            print(sound or "the tests do not end", "\nwithout a fault the tests do not pass", sep="")
            return 1
    holes, named = [], faults(programs)
    for fault in asked.fault or named:
        found = []
        for selection in (virtual, every):
            if len(found) < ENOUGH:
                found = [test for folder in named[fault] for test in finders(programs[folder], fault, selection)]
        print(f"{len(found):3d}  {fault}: {', '.join(found if asked.all else found[:ENOUGH])}", flush=True)
        if len(found) < ENOUGH:
            holes.append(fault)
    print(f"{len(named)} faults, {len(holes)} found by fewer than {ENOUGH} tests" + (": " if holes else "")
          + "; ".join(holes))
    return 1 if holes else 0


if __name__ == "__main__":
    sys.exit(main())
