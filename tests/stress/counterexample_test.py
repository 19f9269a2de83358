#!/usr/bin/env python3
"""What the reference tests print for a difference is a test that can be pasted: it compiles, fails where it was found,
and passes where nothing is wrong.

  counterexample_test.py --build DIR

A planted bug makes both drivers (dice, rapidcheck) print one. Each is pasted into a copy of reference_test.cpp, which
is built with the very commands of that test (`ninja -t commands`), and run with the bug and without.
"""

import argparse
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PASTED_INTO = "stress/reference_test.cpp"
TARGET = "tests/stress_reference"
BUG = "32"  # a deadline is rounded down
SNIPPET = re.compile(r"^TEST\(Reference, Counterexample\) \{\n.*?^\}\n", re.M | re.S)


def run(words, limit_s=240, **environment):
    return subprocess.run(words, env={**os.environ, **environment}, text=True, errors="replace", timeout=limit_s,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def fail(what, text):
    print(text[-4000:])
    sys.exit(f"counterexample: {what}")


def commands(build):
    """How the test is compiled and linked: each as words, to be run in `build`."""
    lines = run(["ninja", "-C", str(build), "-t", "commands", TARGET]).stdout.split("\n")
    compiling = [line for line in lines if line.endswith(PASTED_INTO)]
    linking = [line for line in lines if f"-o {TARGET} " in line]
    if len(compiling) != 1 or len(linking) != 1:
        fail(f"{TARGET} is not built by one compilation and one link", "\n".join(lines))
    return shlex.split(compiling[0]), shlex.split(linking[0].split("&&")[1])


def build_pasted(build, snippet, folder):
    source, built = folder / "pasted_test.cpp", folder / "pasted"
    source.write_text((ROOT / "tests" / PASTED_INTO).read_text().replace("}  // namespace\n", snippet + "\n}  // namespace\n"))
    compile_, link = commands(build)
    made = next(word for word in compile_ if word.endswith(".o"))
    for words in (compile_, link):
        swapped = {made: str(folder / "pasted.o"), TARGET: str(built), compile_[-1]: str(source),
                   made + ".d": str(folder / "pasted.d")}
        done = subprocess.run([swapped.get(word, word) for word in words], cwd=build, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            fail("what was printed does not compile", snippet + done.stdout)
    return built


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    build = parser.parse_args().build.resolve()
    for driver in ("stress_reference", "stress_reference_commands"):
        told = run([str(build / "tests" / driver)], DETENT_BUSTED=BUG)
        snippet = SNIPPET.search(told.stdout)
        if told.returncode == 0 or snippet is None:
            fail(f"{driver} did not print a counterexample of the planted bug {BUG}", told.stdout)
        with tempfile.TemporaryDirectory() as folder:
            pasted = build_pasted(build, snippet[0], pathlib.Path(folder))
            only = [str(pasted), "--gtest_filter=Reference.Counterexample"]
            with_bug, without = run(only, DETENT_BUSTED=BUG), run(only, DETENT_BUSTED="0")
        if with_bug.returncode == 0:
            fail(f"the counterexample of {driver} passes with the bug it was found by", snippet[0] + with_bug.stdout)
        if without.returncode != 0 or "[  PASSED  ] 1 test." not in without.stdout:
            fail(f"the counterexample of {driver} fails with nothing planted", snippet[0] + without.stdout)
        print(f"{driver}: its counterexample compiles, fails with the bug, and passes without it")


if __name__ == "__main__":
    main()
