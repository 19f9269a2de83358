#!/usr/bin/env python3
"""Each named race's own test notices a bug that is planted in that race: it fails, or hangs, within a short time.

  races_can_fail_test.py --build DIR

The map of proof (tools/proof_map.py) reads the table below.
"""

import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys

# race: the planted bug of src/sync/proof.hpp
PLANTED = {
    "R-CANCEL": 3,
    "R-CLOSE": 2,
    "R-REARM": 9,
    "R-QUEUED": 17,
    "R-POSTPONE": 12,
    "R-SLEEP": 11,
    "R-SERIES": 38,
    "R-PERIOD": 39,
    "R-KIND": 17,
    "R-STRANGER": 8,
    "R-REUSE": 47,
    "R-ENDERS": 48,
    "R-DROP": 42,
}
LIMIT_S = 15   # Without a bug 200 meetings take tenths of a second.
AT_ONCE = 4    # What hangs does little.
TRIES = 3      # A race is met by chance.


def notices(program, race):
    """How the bug was noticed, or None."""
    environment = dict(os.environ, DETENT_BUSTED=str(PLANTED[race]), DETENT_RACES="200",
                       GTEST_FILTER="Race." + race.replace("-", "_"))
    for _ in range(TRIES):
        try:
            done = subprocess.run([str(program)], env=environment, text=True, errors="replace", timeout=LIMIT_S,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except subprocess.TimeoutExpired:
            return "hangs"
        if "[ RUN      ]" not in done.stdout:
            sys.exit(f"{program} has no test Race.{race.replace('-', '_')}:\n{done.stdout[-2000:]}")
        if done.returncode != 0:
            return "crashes" if done.returncode < 0 else "fails"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    program = parser.parse_args().build.resolve() / "tests" / "stress_races"
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as threads:
        found = dict(zip(PLANTED, threads.map(lambda race: notices(program, race), PLANTED)))
    for race, how in found.items():
        print(f"{race:11} bug {PLANTED[race]:2}: {how or 'NOT NOTICED'}")
    sys.exit(0 if all(found.values()) else "a named race's test passes with a bug planted in it")


if __name__ == "__main__":
    main()
