#!/usr/bin/env python3
"""Runs timer tests of Node and of the web platform, as they are, on `detent run`.

  script_conformance.py --program DETENT [--node DIR] [--wpt DIR] [--verbose]

--node DIR is a folder that has Node's test-timers-*.js (test/parallel of its sources), --wpt DIR one that has
html/webappapis/timers and resources/testharness.js (test/fixtures/wpt of Node's sources, or a checkout of the suite).
The files are read where they are; nothing of them is kept. What such a file needs beside timers is in
tests/conformance/javascript/suites. docs/scripts.md lists which of Node's files pass, and why others cannot; a file that
fails and is not listed there makes the status 1.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SUITES = ROOT / "tests" / "conformance" / "javascript" / "suites"
LIMIT_S = 20  # for one file


def run(program, text):
    """(whether it passed, what was printed): a script of this text."""
    with tempfile.TemporaryDirectory() as folder:
        script = pathlib.Path(folder) / "test.js"
        script.write_text(text)
        try:
            done = subprocess.run([program, "run", str(script)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True, errors="replace", timeout=LIMIT_S)
        except subprocess.TimeoutExpired as late:
            return False, f"did not end in {LIMIT_S} s\n" + (late.stdout or b"").decode(errors="replace")
    return done.returncode == 0, done.stdout


def of_node(path):
    shim = (SUITES / "node.js").read_text()
    return (shim + "\nbeginOfFile(function (require, module, exports, __filename, __dirname) {\n" + path.read_text()
            + "\n});\n")


def of_wpt(path, harness):
    shim = (SUITES / "wpt.js").read_text()
    text = path.read_text()
    if path.suffix == ".html":
        text = "\n".join(re.findall(r"<script>(.*?)</script>", text, re.S))
    return shim + "\n" + harness.read_text() + "\nreportTo(print);\n" + text + "\n"


def known():
    """The files that docs/scripts.md says cannot pass."""
    return set(re.findall(r"^\| `(test-[\w-]+)` \|", (ROOT / "docs" / "scripts.md").read_text(), re.M))


def tell(results, verbose, excused=()):
    """Prints each file's outcome; answers how many fail without an excuse."""
    failed = 0
    for name, passed, output in results:
        excuse = name in excused
        print(f"{'pass' if passed else 'known' if excuse else 'FAIL':5} {name}")
        if not passed and (verbose or not excuse):
            print("      " + "\n      ".join(output.strip().splitlines()[:6]))
        failed += not passed and not excuse
    print(f"{sum(passed for _, passed, _ in results)} of {len(results)} files pass")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--node", type=pathlib.Path)
    parser.add_argument("--wpt", type=pathlib.Path)
    parser.add_argument("--only", default="", help="files whose names contain this")
    parser.add_argument("--verbose", action="store_true")
    asked = parser.parse_args()
    failed = 0
    if asked.node:
        files = sorted(path for path in asked.node.glob("test-timers*.js") if asked.only in path.name)
        failed += tell([(path.stem, *run(asked.program, of_node(path))) for path in files], asked.verbose, known())
    if asked.wpt:
        harness = asked.wpt / "resources" / "testharness.js"
        files = sorted(path for path in (asked.wpt / "html" / "webappapis" / "timers").glob("*")
                       if asked.only in path.name and path.suffix in (".js", ".html"))
        failed += tell([(path.name, *run(asked.program, of_wpt(path, harness))) for path in files], asked.verbose)
    if not (asked.node or asked.wpt):
        parser.error("--node DIR or --wpt DIR is needed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
