#!/usr/bin/env python3
"""Hunts the planted bugs of src/sync/proof.hpp with every method, and prints who finds what.

  busted.py --build DIR [--bug N ...] [--method M ...] [--json FILE] [--learn] [--short]

A bug that fewer than two methods find is a hole: it is named, and the status is 1. A finding counts only if the same
test passes with nothing planted; before the hunt, every method has to pass so. `--learn` writes the findings to
tests/stress/busted.txt, where a later hunt looks first, and to docs/proof/busted.md, where a reader does; bugs and
methods that were not asked for keep what was learned before. `--short` is for ctest: each bug by the one test known to
find it soonest.
"""

import argparse
import datetime
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import time

from stress import sources

ROOT = pathlib.Path(__file__).resolve().parent.parent
KNOWN = ROOT / "tests" / "stress" / "busted.txt"
PAGE = ROOT / "docs" / "proof" / "busted.md"
MARKS = {"hangs": " t", "crashes": " c", "?": " ?"}
LIMIT_S = 60  # for one bug by one method
ENOUGH = 2    # methods that have to find a bug

# The bug as a mutant of the model (model/run), where it has one.
MUTANTS = {
    "self_wait": "SELFWAIT", "check_first": "CHECKFIRST", "queued_obeyed": "NOVOID", "lost_wake": "SBSLEEP",
    "cross_wait": "XWAIT", "id_unchecked": "IDCHECK", "closed_armed": "REARM", "counted_twice": "TWICE",
    "no_wake": "NONOTIFY", "confirm_skipped": "SBHINT", "settle_unpushed": "SETTLEPUSH", "bit_cleared": "KEEPBIT",
    "push_unchecked": "NORECHECK", "late_ticket": "LOST", "undue_claimed": "EARLY", "early_end": "ENDERS",
    "end_untold": "LOSTEND", "waited_unset": "T7LOOK", "queue_waited": "INHANDWAIT", "abandon_frees": "ORPHAN",
    "generation_wrap": "WRAP", "series_revived": "SERIES", "terms_apart": "PERIOD", "drop_leaks": "DROPLEAK",
    "detach_ends": "DETACHEND", "detached_stays": "DETACHEDSTAYS", "settle_blind": "SBSETTLE", "hidden": "ENDERS",
}

# Bugs that read or free memory which is somebody else's.
MEMORY = {"check_first", "early_end", "wait_stays", "freed_inside", "abandon_frees", "closed_armed", "queued_obeyed",
          "hidden"}

# What the explorer does not come by, and why.
EXPLORER_LEAVES_OUT = {}

SANITIZER = re.compile(r"ERROR: (AddressSanitizer: [\w-]+|LeakSanitizer)|runtime error: ([^\n]{0,60})")


def read_bugs():
    """[(number, name, what it breaks)], from the one place where they are numbered."""
    text = (ROOT / "src" / "sync" / "proof.hpp").read_text()
    body = text[text.index("enum class bug"):]
    body = body[:body.index("};")]
    return [(int(n), name, what) for name, n, what in re.findall(r"^\s*(\w+) = ([1-9]\d*),\s*// (.*)$", body, re.M)]


class Finding:
    def __init__(self, seconds, program, test, how):
        self.seconds, self.program, self.test, self.how = seconds, program, test, how

    def where(self):
        return self.test + (f" ({self.how})" if self.how != "fails" else "")


def stop(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def run(program, number, limit_s, test=None, only_sanitizer=False, short=True, races=50):
    """Runs one test program with one bug planted. Answers a Finding, or None."""
    words = [str(program)]
    environment = dict(os.environ, DETENT_BUSTED=str(number), GTEST_FAIL_FAST="1", GTEST_COLOR="no",
                       GTEST_BREAK_ON_FAILURE="0" if only_sanitizer else "1")
    if short:
        environment["DETENT_SHORT"] = "1"
    environment["DETENT_RACES"] = str(races)
    environment.setdefault("ASAN_OPTIONS", "detect_stack_use_after_return=1:abort_on_error=0")
    if test is not None:
        environment["GTEST_FILTER"] = test
        if "DISABLED_" in test:
            environment["GTEST_ALSO_RUN_DISABLED_TESTS"] = "1"
    out = ROOT / "build" / f"busted-{os.getpid()}.log"
    start = time.monotonic()
    with open(out, "w") as log:
        process = subprocess.Popen(words, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=subprocess.STDOUT, start_new_session=True,
                                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
        try:
            status = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            status = None
        stop(process)  # Also what a test has forked.
    seconds = time.monotonic() - start
    text = out.read_text(errors="replace")
    out.unlink()
    if status == 0:
        return None
    failed = re.findall(r"^\[  FAILED  \] ([\w./]+)", text, re.M)
    begun = re.findall(r"^\[ RUN      \] ([\w./]+)", text, re.M)
    name = failed[0] if failed else begun[-1] if begun else "?"
    if only_sanitizer:
        report = SANITIZER.search(text)
        if report is None:
            return None
        return Finding(seconds, program, begun[-1] if begun else name, report[1] or report[2])
    # gtest stops a failing assertion by SIGTRAP here.
    how = "hangs" if status is None else "crashes" if status < 0 and status != -signal.SIGTRAP else "fails"
    return Finding(seconds, program, name, how)


class Method:
    """A set of test programs. `programs` are looked up in the build when first asked for."""

    def __init__(self, name, what, patterns, build, only_sanitizer=False, bugs=None, reason=""):
        self.name, self.what, self.only_sanitizer, self.bugs, self.reason = name, what, only_sanitizer, bugs, reason
        self.programs = [p for pattern in patterns for p in sorted((build / "tests").glob(pattern)) if os.access(p, os.X_OK)]
        self.clean_s = {}

    def leaves_out(self, bug):
        return self.bugs is not None and bug not in self.bugs

    def excuse(self, bug):
        """Why this method does not apply, or None."""
        if self.leaves_out(bug):
            return self.reason
        return None if self.programs else "not built"

    def limit_of(self, program):
        clean_s = self.clean_s.get(program.name, 5)
        return clean_s + min(2 * clean_s, 10) + 5

    def prove_silent(self):
        """Everything passes with nothing planted. Answers what did not, or None."""
        for program in self.programs:
            show(f"{self.name}: nothing planted, {program.name}")
            start = time.monotonic()
            found = run(program, 0, 200, only_sanitizer=self.only_sanitizer)
            self.clean_s[program.name] = time.monotonic() - start
            if found is not None:
                return found
        return None

    def hunt(self, number, known):
        """Answers a Finding or None."""
        start = time.monotonic()
        if known is not None:
            program = next((p for p in self.programs if p.name == known[0]), None)
            found = program and run(program, number, self.limit_of(program), known[1], self.only_sanitizer)
            if found:
                return found
        for program in sorted(self.programs, key=lambda p: self.clean_s.get(p.name, 5)):
            left = LIMIT_S - (time.monotonic() - start)
            if left < 1:
                return None
            found = run(program, number, min(left, self.limit_of(program)), None, self.only_sanitizer)
            if found is not None and not (found.how == "hangs" and left < self.limit_of(program)):
                return found
        return None

    def confirms(self, found):
        """The test that found it is silent when nothing is planted, within the time that the hunt gave it."""
        return run(found.program, 0, self.limit_of(found.program), found.test if found.test != "?" else None,
                   self.only_sanitizer) is None


class Model:
    """The mutant of the same rule in the Spin model."""
    name, what, clean_s = "spin", "the mutant of model/ that breaks the same rule", {}

    def __init__(self):
        loader = importlib.machinery.SourceFileLoader("model_run", str(ROOT / "model" / "run"))
        module = importlib.util.module_from_spec(importlib.util.spec_from_loader("model_run", loader))
        sys.dont_write_bytecode = True
        loader.exec_module(module)
        self.mutants = getattr(module, "MUTANTS", {})

    def leaves_out(self, bug):
        return bug not in MUTANTS

    def excuse(self, bug):
        mutant = MUTANTS.get(bug)
        if mutant is None:
            return "no mutant: outside the model"
        return None if mutant in self.mutants else f"mutant {mutant} is not run yet"

    def prove_silent(self):
        return None  # `./dev model` does: the scenarios pass unbroken.

    def hunt(self, number, known):
        mutant = MUTANTS[NAME_OF[number]]
        start = time.monotonic()
        try:
            done = subprocess.run([str(ROOT / "model" / "run"), "--only", mutant], cwd=ROOT, text=True, timeout=LIMIT_S,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return None
        if done.returncode != 0:
            return None
        return Finding(time.monotonic() - start, ROOT / "model" / "run", mutant, "fails")

    def confirms(self, found):
        return True


class Explorer:
    """The interleaving explorer over the very code (explore/)."""
    name, what, clean_s = "explore", "the interleaving explorer", {}

    def __init__(self, build):
        names = [build / "bin" / name for name in ("explore", "detent_explore")]
        self.program = next((p for p in names if p.exists()), names[0])

    def leaves_out(self, bug):
        return bug in EXPLORER_LEAVES_OUT

    def excuse(self, bug):
        if not self.program.exists():
            return "not built"
        return EXPLORER_LEAVES_OUT.get(bug)

    def prove_silent(self):
        return None  # Its own tests do.

    def look(self, number, scenario, limit_s):
        """(seconds, scenario that was violated, or None)"""
        words = [str(self.program)] + (["--busted", str(number)] if number else [])
        if scenario:
            words += ["--scenario", scenario]
        start = time.monotonic()
        try:
            done = subprocess.run(words, cwd=ROOT, env=dict(os.environ, DETENT_SHORT="1"), text=True, errors="replace",
                                  timeout=limit_s, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except subprocess.TimeoutExpired:
            return time.monotonic() - start, None
        at = re.search(r"--scenario (\w+) --replay", done.stdout)
        # A scenario that ends the whole program has found something too; its name is the last one begun.
        begun = re.findall(r"^(\w+) +[\d ]+", done.stdout, re.M)
        if done.returncode == 0:
            return time.monotonic() - start, None
        return time.monotonic() - start, at[1] if at else begun[-1] if begun else "?"

    def hunt(self, number, known):
        if known is not None and known[1] != "?":
            seconds, scenario = self.look(number, known[1], LIMIT_S)
            if scenario is not None:
                return Finding(seconds, self.program, scenario, "fails")
        seconds, scenario = self.look(number, None, LIMIT_S)
        return None if scenario is None else Finding(seconds, self.program, scenario, "fails")

    def confirms(self, found):
        return found.test == "?" or self.look(0, found.test, LIMIT_S)[1] is None


def methods_of(build):
    asan = ROOT / "build" / "asan"
    return [
        Method("contract", "the contract's tests", ["busted_contract_*"], build),
        Method("field", "scenarios from the field", ["busted_field_*"], build),
        Method("unit", "unit tests", ["busted_unit_*"], build),
        Method("model", "the reference model", ["stress_reference", "stress_reference_commands", "stress_manual_step"], build),
        Method("storm", "the storm with its ledger", ["stress_storm"], build),
        Method("regression", "tests of what storms and models found", ["stress_shutdown_waits", "stress_spent_timers"], build),
        Method("races", "the named races", ["stress_races"], build),
        Method("asan", "what the address sanitizer reports", ["contract_G*", "stress_storm"], asan, only_sanitizer=True,
               bugs=MEMORY, reason="no bug of memory"),
        Model(),
        Explorer(build),
    ]


# ---- what is known ------------------------------------------------------------------------------------------------


def read_known():
    """{(number, method): (program, test, seconds, how, sources)}; `?` for what was not noted at its time."""
    known = {}
    if KNOWN.exists():
        for line in KNOWN.read_text().splitlines():
            if line and not line.startswith("#"):
                number, _, method, seconds, program, test, *rest = line.split()
                known[int(number), method] = (program, test, float(seconds), *(rest or ["?", "?"]))
    return known


def write_known(known):
    rows = [(str(n), NAME_OF[n], method, f"{s:.2f}", program, test, how, of)
            for (n, method), (program, test, s, how, of) in sorted(known.items()) if n in NAME_OF]
    widths = [max(len(row[i]) for row in rows) for i in range(8)] if rows else []
    lines = ["# Which test finds which planted bug, and how soon: bug, method, seconds, program, test, how (fails, crashes, or",
             "# hangs: the time limit), and the hash of include/ and src/. Written by `./dev busted --learn`; a hunt looks here",
             "# first, and ctest hunts each bug by its soonest test only."]
    lines += ["  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows]
    KNOWN.write_text("\n".join(lines) + "\n")


def write_page(known, methods):
    """docs/proof/busted.md: what is known, as the matrix bug x method."""
    bugs = read_bugs()
    missing = [m.name for m in methods if not any(method == m.name for _, method in known)]
    methods = [m for m in methods if m.name not in missing]
    found = {n: [m for m in methods if (n, m.name) in known] for n, _, _ in bugs}
    holes = [name for n, name, _ in bugs if len(found[n]) < ENOUGH]
    out = ["# Planted bugs, and who finds them", "",
           "Written by `./dev busted --learn`. Seconds until the bug was found; a dash: not found; n.a.: the method cannot know",
           "the bug (no memory is touched wrongly, or the model leaves that part out). Which test it was stands in",
           f"[busted.txt](../../tests/stress/busted.txt). A bug that fewer than {ENOUGH} methods find is a hole. After the seconds:",
           "`t`, the test ran into its time limit; `c`, it crashed; `?`, found when it was not noted how; nothing, a check failed.", "",
           f"Written on {datetime.date.today().isoformat()}, sources {sources()} (a hash over `include/` and `src/`): "
           f"{sum(of == sources() for _, _, _, _, of in known.values())} findings are of these, the others of older ones.", "",
           f"{len(bugs)} bugs, {sum(len(ms) for ms in found.values())} findings, "
           + (f"{len(holes)} holes: {', '.join(holes)}." if holes else "no hole.")
           + (f" Nothing was learned yet by: {', '.join(missing)}." if missing else ""), "",
           "| method | what |", "|---|---|"]
    out += [f"| {m.name} | {m.what} |" for m in methods]
    out += ["", "| | bug | what it breaks | " + " | ".join(m.name for m in methods) + " | methods |", "|---" * (4 + len(methods)) + "|"]
    for number, name, what in bugs:
        cells = [f"{known[number, m.name][2]:.1f}{MARKS.get(known[number, m.name][3], '')}" if (number, m.name) in known else "n.a." if m.leaves_out(name) else "-"
                 for m in methods]
        out.append(f"| {number} | {name} | {what} | " + " | ".join(cells) + f" | {len(found[number])} |")
    PAGE.write_text("\n".join(out) + "\n")


# ---- showing ------------------------------------------------------------------------------------------------------

WATCHED = sys.stderr.isatty()
COLOURED = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def show(text):
    if WATCHED:
        sys.stderr.write("\r\033[K" + text[:110])
        sys.stderr.flush()


def paint(text, code):
    return f"\033[{code}m{text}\033[0m" if COLOURED else text


def print_matrix(bugs, methods, cells, tells_holes):
    shown = [m for m in methods if any((n, m.name) in cells for n, _, _ in bugs)]
    wide = max(len(name) for _, name, _ in bugs)
    columns = [max(8, len(m.name)) for m in shown]
    print(" " * (wide + 6) + "  ".join(m.name.rjust(w) for m, w in zip(shown, columns)) + "   found by")
    print("-" * (wide + 6 + sum(columns) + 2 * len(columns) + 9))
    for number, name, _ in bugs:
        row, count = [], 0
        for m, w in zip(shown, columns):
            cell = cells.get((number, m.name))
            if isinstance(cell, Finding):
                count += 1
                row.append(paint(f"{cell.seconds:.1f} s".rjust(w), "32"))
            elif isinstance(cell, str):
                row.append(paint("n.a.".rjust(w), "2"))
            else:
                row.append("-".rjust(w))
        told = f"{count}" + ("" if count >= ENOUGH or not tells_holes else paint("  HOLE", "31;1"))
        print(f"{number:3}  {name.ljust(wide)} " + "  ".join(row) + "   " + told)
    print()
    for number, name, what in bugs:
        print(f"{number:3}  {paint(name, '1')}: {what}")
        excuses = {}
        for m in shown:
            cell = cells.get((number, m.name))
            if isinstance(cell, Finding):
                print(f"       {m.name:9} {cell.seconds:5.1f} s  {cell.where()}")
            elif isinstance(cell, str):
                excuses.setdefault(cell, []).append(m.name)
        for reason, names in excuses.items():
            print(f"       n.a.: {', '.join(names)} ({reason})")
    print()


# ---- verbs --------------------------------------------------------------------------------------------------------


def hunt_all(given, bugs, methods):
    known = read_known()
    for m in methods:
        found = m.prove_silent()
        if found is not None:
            show("")
            print(f"{m.name} is not silent with nothing planted: {found.program.name} {found.where()}")
            return 1
    cells, began = {}, time.monotonic()
    for at, (number, name, _) in enumerate(bugs):
        for m in methods:
            excuse = m.excuse(name)
            if excuse is not None:
                cells[number, m.name] = excuse
                continue
            show(f"{at + 1}/{len(bugs)} {name} by {m.name}, {time.monotonic() - began:.0f} s so far")
            before = known.get((number, m.name))
            found = m.hunt(number, before)
            if found is not None and not m.confirms(found):
                show("")
                print(f"{m.name} is not silent with nothing planted: {found.program.name} {found.where()}")
                return 1
            cells[number, m.name] = found
            if given.learn:
                known = read_known()  # Anew: another hunt may learn beside this one.
                known.pop((number, m.name), None)
                if found is not None:
                    known[number, m.name] = (found.program.name, found.test, found.seconds, found.how.replace(" ", "_"), sources())
                write_known(known)
                write_page(known, methods_of(given.build.resolve()))
    show("")
    print_matrix(bugs, methods, cells, not given.method)  # A part of the methods cannot tell a hole.
    if given.json:
        rows = []
        for (number, method), cell in cells.items():
            row = {"bug": number, "name": NAME_OF[number], "method": method, "found": isinstance(cell, Finding)}
            if isinstance(cell, Finding):
                row.update(seconds=round(cell.seconds, 2), program=cell.program.name, test=cell.test, how=cell.how)
            elif isinstance(cell, str):
                row["not_applicable"] = cell
            rows.append(row)
        pathlib.Path(given.json).write_text(json.dumps(rows, indent=1) + "\n")
    if given.method:
        return 0
    holes = [name for n, name, _ in bugs if sum(isinstance(cells.get((n, m.name)), Finding) for m in methods) < ENOUGH]
    if holes:
        print(paint(f"busted: fewer than {ENOUGH} methods find: {', '.join(holes)}", "31;1"))
        return 1
    print(f"busted: each of {len(bugs)} planted bugs is found by at least {ENOUGH} methods")
    return 0


def hunt_shortly(bugs, methods):
    """Each bug by its soonest test; if that one misses, by the next. First all these tests with nothing planted."""
    known, by_name = read_known(), {m.name: m for m in methods if isinstance(m, Method) and not m.only_sanitizer}
    plans = {}
    for number, _, _ in bugs:
        rows = [(s, by_name[m], program, test) for (n, m), (program, test, s, _, _) in known.items() if n == number and m in by_name]
        plans[number] = sorted(rows, key=lambda row: row[0])
    silent = sorted({(rows[0][2], rows[0][3]) for rows in plans.values() if rows})
    status = 0
    path_of = {p.name: p for m in by_name.values() for p in m.programs}
    limit_of = {}
    for program, test in silent:
        show(f"nothing planted: {test}")
        start = time.monotonic()
        found = run(path_of[program], 0, 60, test) if program in path_of else None
        limit_of[program, test] = 3 * (time.monotonic() - start) + 5
        if program not in path_of or found is not None:
            print(f"with nothing planted, {program} {test} {'was not built' if program not in path_of else found.how}")
            status = 1
    for number, name, what in bugs:
        show(f"{number} {name}")
        found = None
        # A bug in a window of few instructions may be missed by fifty meetings; by two thousand it is not.
        for races in (50, 2000):
            for seconds, _, program, test in plans[number]:
                if program in path_of and found is None:
                    limit_s = limit_of.get((program, test), 3 * seconds + 10) + races / 50
                    found = run(path_of[program], number, limit_s, test, races=races)
        show("")
        if found is None:
            print(f"{number:3}  {name}: NOT FOUND ({what})")
            status = 1
        else:
            print(f"{number:3}  {name}: {found.seconds:.1f} s, {found.where()}")
    return status


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release", help="build folder with the tests")
    parser.add_argument("--bug", action="append", default=[], metavar="N", help="only this one, by number or name")
    parser.add_argument("--method", action="append", default=[], metavar="M", help="only this method")
    parser.add_argument("--json", metavar="FILE", help="write the matrix there too")
    parser.add_argument("--learn", action="store_true", help="note the findings in {} and {}".format(KNOWN.relative_to(ROOT), PAGE.relative_to(ROOT)))
    parser.add_argument("--short", action="store_true", help="each bug by its soonest test only")
    given = parser.parse_args()
    bugs = read_bugs()
    NAME_OF.update({n: name for n, name, _ in bugs})
    for wanted in given.bug:
        if wanted not in [str(n) for n in NAME_OF] + list(NAME_OF.values()):
            parser.error(f"there is no planted bug {wanted}")
    if given.bug:
        bugs = [b for b in bugs if str(b[0]) in given.bug or b[1] in given.bug]
    methods = methods_of(given.build.resolve())
    for wanted in given.method:
        if wanted not in [m.name for m in methods]:
            parser.error(f"there is no method {wanted}; there are: {', '.join(m.name for m in methods)}")
    if given.method:
        methods = [m for m in methods if m.name in given.method]
    if given.short:
        return hunt_shortly(bugs, methods)
    return hunt_all(given, bugs, methods)


NAME_OF = {}

if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        show("")
        sys.exit(130)
