#!/usr/bin/env python3
"""Runs the storm and the named races for a while, and keeps account of it in docs/proof/ledger.csv.

  stress.py --build DIR --san NAME --minutes M [--only {storm,races}] [ARGS of `detent torture`]
  stress.py --totals

The time goes in slices of about a minute, by turns storms and a run of the named races. A storm is at rest most of its
time, so several run side by side. After each slice the row of
this commit, day and sanitizer is written anew, so a run may be stopped at any moment and gone on with later: what was
added up stays. Rows with equal model sources (a hash over model/*.pml but worker.pml) count together, whatever their commits: the
protocol that was run is the same. `sources` is a hash over include/ and src/, and says which code ran. The totals are
written into docs/proof/storms.md too.

Status 1: something was violated (it is counted in the ledger, and its output is kept in build/), or an outcome of a
named race came up in less than a tenth of many meetings. With --totals also while the long quota is open: the storms
have run what was wanted, and a named race has not. docs/proof/storms_notes.md tells of violated runs that are in no
row, and becomes part of the page.
"""

import argparse
import concurrent.futures
import csv
import datetime
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LEDGER = ROOT / "docs" / "proof" / "ledger.csv"
PAGE = ROOT / "docs" / "proof" / "storms.md"
NOTES = ROOT / "docs" / "proof" / "storms_notes.md"
WANTED = {"tsan": 10_000_000, "asan": 100_000_000}  # effective races
WANTED_HITS = 1_000_000                              # of each named race
MANY_HITS = 10_000                                   # from here on each outcome has to have its tenth
RACES = ["R-CANCEL", "R-CLOSE", "R-REARM", "R-QUEUED", "R-POSTPONE", "R-SLEEP", "R-SERIES", "R-PERIOD", "R-KIND",
         "R-STRANGER", "R-REUSE", "R-ENDERS", "R-DROP"]
# `storm_races` is what was counted before, verbs by stale ids and verbs of callbacks on their own timers among them; it
# stays as it was told, and counts towards nothing. `storm_meetings`: verbs that met another thread's verb or call.
# A race's two columns: meetings, and those of them with the rarer outcome.
COLUMNS = (["commit", "sources", "model", "date", "sanitizer", "minutes", "operations", "storm_races", "storm_meetings",
            "violations"] + [name for race in RACES for name in (race, race + "/rarer")])
SLICE_S = 60
SIDE_BY_SIDE = 4 * os.cpu_count()  # storms
OPERATIONS = 6800  # of a storm's thread in a round, at most
FIRST_HITS = 300  # of each race; later slices follow from how long this took


def git(*words):
    return subprocess.run(["git", *words], cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


def hash_of(*patterns):
    sum_ = hashlib.sha256()
    for path in sorted(git("ls-files", *patterns).split("\n")):
        if (ROOT / path).exists():
            sum_.update(path.encode() + b"\0" + (ROOT / path).read_bytes() + b"\0")
    return sum_.hexdigest()[:12]


def sources():
    """A hash of what is proven: the library's own sources, whatever else changed."""
    return hash_of("include", "src")


def model_sources():
    """A hash of the timers' protocol: runs of code that obeys the same models add up. worker.pml is another protocol's."""
    return hash_of("model/*.pml", ":!model/worker.pml")


def spaced(number):
    return f"{round(number):,}".replace(",", " ")


def read_ledger():
    if not LEDGER.exists():
        return []
    with open(LEDGER, newline="") as file:
        return list(csv.DictReader(file))


def write_ledger(rows):
    LEDGER.parent.mkdir(parents=True, exist_ok=True)
    before = LEDGER.with_suffix(".new")
    with open(before, "w", newline="") as file:
        out = csv.DictWriter(file, COLUMNS, restval="0", extrasaction="ignore", lineterminator="\n")
        out.writeheader()
        out.writerows(rows)
    os.replace(before, LEDGER)  # A run stopped here leaves the old ledger or the new one, whole.


def add_to_ledger(key, gained):
    rows = read_ledger()
    row = next((r for r in rows if all(r[k] == v for k, v in key.items())), None)
    if row is None:
        row = dict(key)
        rows.append(row)
    for name, value in gained.items():
        old = float(row.get(name) or 0)
        row[name] = f"{old + value:.1f}" if name == "minutes" else str(int(old + value))
    write_ledger(rows)


def run_slice(words, name, environment, limit_s):
    """Answers (output, violations); the output of a run that violated something is kept."""
    try:
        done = subprocess.run(words, cwd=ROOT, env={**os.environ, **environment}, text=True, errors="replace",
                              timeout=limit_s, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        text, status = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        text = late.stdout.decode(errors="replace") if isinstance(late.stdout, bytes) else late.stdout or ""
        text, status = text + f"\nviolation: still running after {limit_s:.0f} s\n", -1
    if status == 0:
        return text, 0
    kept = ROOT / "build" / f"stress-{name}-{time.time_ns()}.log"
    kept.write_text(text)
    print(f"{name}: status {status}; its output is in {kept.relative_to(ROOT)}")
    for line in re.findall(r"^(?:violation: .*|DETENT_SEED=.*|.*ERROR: .*|WARNING: ThreadSanitizer.*|\[  FAILED  \] [\w.]+).*$", text, re.M)[:8]:
        print(f"  {line}")
    return text, max(1, len(re.findall(r"^violation: ", text, re.M)))


def storm_slice(build, seconds, rest):
    """What several storms at once add to the ledger."""
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        several = list(threads.map(lambda _: one_storm(build, seconds, rest), range(SIDE_BY_SIDE)))
    return {name: sum(one[name] for one in several) for name in several[0]}


def one_storm(build, seconds, rest):
    text, violations = run_slice([str(build / "bin" / "detent"), "torture", "--seconds", str(round(seconds)),
                                  "--operations", str(OPERATIONS), *rest], "storm", {}, seconds + 120)
    number = lambda pattern: int(re.sub(r"\D", "", m[1])) if (m := re.search(pattern, text)) else 0
    return {"operations": number(r"timers, ([\d,]+) operations"), "storm_meetings": number(r"\n +effective, each verb once +([\d,]+)\n"),
            "violations": violations}


def races_slice(build, hits):
    text, violations = run_slice([str(build / "tests" / "stress_races")], "races", {"DETENT_RACES": str(hits)}, 3600)
    gained = {"violations": violations}
    for race, met, first, second in re.findall(r"^race ([\w-]+): rounds \d+, hits (\d+) \| .*?: (\d+) \([^|]*\| .*?: (\d+) \(", text, re.M):
        gained[race], gained[race + "/rarer"] = int(met), min(int(first), int(second))
    return gained


def show(text):
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K" + text)
        sys.stderr.flush()


def run(given):
    for program in (given.build / "bin" / "detent", given.build / "tests" / "stress_races"):
        if not program.exists():
            print(f"{program} is not there; ./dev stress builds it", file=sys.stderr)
            return 2
    dirty = "+" if git("status", "--porcelain", "--untracked-files=no", "include", "src") else ""
    key = {"commit": git("rev-parse", "--short=12", "HEAD") + dirty, "sources": sources(), "model": model_sources(),
           "date": datetime.date.today().isoformat(), "sanitizer": given.san}
    end = time.monotonic() + 60 * given.minutes
    total = {"operations": 0, "races": 0, "violations": 0}
    red = []
    turn, hits = 0, FIRST_HITS
    while (left := end - time.monotonic()) > 5 and total["violations"] == 0:
        show(f"{left / 60:.1f} min left, {total['operations']:,} operations, {total['races']:,} meetings in named races ")
        began = time.monotonic()
        if given.only == "storm" or given.only is None and turn % 2 == 0:
            gained = storm_slice(given.build, min(SLICE_S, left, max(10, 15 * given.minutes)), given.rest)
        else:
            gained = races_slice(given.build, hits)
            took = time.monotonic() - began
            hits = max(FIRST_HITS, int(hits * min(10, min(SLICE_S, left) / took)))
        gained["minutes"] = (time.monotonic() - began) / 60
        add_to_ledger(key, gained)
        text, red, _ = page(read_ledger())
        PAGE.write_text(text)
        total["operations"] += gained.get("operations", 0)
        total["races"] += sum(gained.get(race, 0) for race in RACES)
        total["violations"] += gained["violations"]
        turn += 1
    show("")
    print(f"stress ({given.san}): {total['operations']:,} operations, {total['races']:,} meetings in named races, "
          f"{total['violations']} violations; added to {LEDGER.relative_to(ROOT)}")
    for sentence in red:
        print(sentence)
    return 1 if total["violations"] or red else 0


def effective(row):
    """Races that count: verbs of a storm that met another party inside the same timer, and meetings in named races."""
    return float(row.get("storm_meetings") or 0) + sum(float(row.get(race) or 0) for race in RACES)


def sums_of(rows):
    """{sanitizer: {what: sum}} of one model."""
    sums = {}
    for row in rows:
        of = sums.setdefault(row["sanitizer"], dict.fromkeys(COLUMNS[COLUMNS.index("minutes"):] + ["races"], 0.0))
        for name in of:
            of[name] += effective(row) if name == "races" else float(row.get(name) or 0)
    return sums


def page(rows):
    """docs/proof/storms.md, the sentences about what is red, and those about what is open still."""
    here, red, open_ = model_sources(), [], []
    out = ["# Storms and named races", "", "Written by `./dev stress`, which adds to [ledger.csv](ledger.csv). Rows with equal model sources (a hash over",
           "`model/*.pml` but `worker.pml`) count together. Effective races: verbs of the storm during which another thread's verb",
           "or call was in progress on the same timer, each counted once (of two verbs that meet, the one that came second), and",
           "meetings in the named races, whose rarer outcome is in brackets. Verbs on a timer known to be closed, and those of a",
           "callback on its own timer, are no races; rows of an older count that had them are in the ledger as `storm_races`,",
           "and not in these figures.", ""]
    for model in sorted({r["model"] for r in rows}, key=lambda m: (m != here, m)):
        same = [r for r in rows if r["model"] == model]
        sums = sums_of(same)
        kinds = sorted(sums)
        commits = ", ".join(dict.fromkeys(r["commit"][:8] for r in same))
        out += [f"## Model {model}{' (as it is now)' if model == here else ''}", "", f"Commits {commits}.", "",
                "| | " + " | ".join(kinds) + " |", "|---" * (1 + len(kinds)) + "|"]
        line = lambda what, cell: out.append(f"| {what} | " + " | ".join(cell(sums[k], k) for k in kinds) + " |")
        line("minutes", lambda of, _: f"{of['minutes']:.0f}")
        line("operations", lambda of, _: spaced(of["operations"]))
        line("effective races", lambda of, k: spaced(of["races"]) + (f" of {spaced(WANTED[k])}" if k in WANTED else ""))
        line("violations", lambda of, _: spaced(of["violations"]))
        for race in RACES:
            line(race, lambda of, _: f"{spaced(of[race])} ({100 * of[race + '/rarer'] / of[race]:.0f} %)" if of[race] else "-")
            for kind in kinds:
                if sums[kind][race] >= MANY_HITS and sums[kind][race + "/rarer"] < 0.1 * sums[kind][race]:
                    red.append(f"Red: {race} ({kind}, model {model}): an outcome came up in less than 10 % of many meetings.")
        if model == here and any(sums[kind]["races"] >= WANTED.get(kind, float("inf")) for kind in kinds):
            # Over all builds: what two parties do in a window is the same with a sanitizer and without.
            few = [race for race in RACES if sum(sums[kind][race] for kind in kinds) < WANTED_HITS]
            if few:
                open_.append(f"Open: the storms have their effective races, but fewer than {spaced(WANTED_HITS)} "
                             f"meetings came up in {', '.join(few)}.")
        red += [f"Red: {kind}, model {model}: {spaced(sums[kind]['violations'])} violations." for kind in kinds if sums[kind]["violations"]]
        out.append("")
    notes = ["", NOTES.read_text().rstrip("\n")] if NOTES.exists() else []
    return "\n".join(out + red + open_).rstrip("\n") + "\n" + "\n".join(notes + [""]) * bool(notes), red, open_


def print_totals():
    rows = read_ledger()
    if not rows:
        print("the ledger is empty; ./dev stress --minutes M adds to it")
        return 0
    text, red, open_ = page(rows)
    PAGE.write_text(text)
    print(text, end="")
    return 1 if red or open_ else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--san", choices=["none", "asan", "tsan"], default="none")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--only", choices=["storm", "races"], help="not by turns")
    parser.add_argument("--totals", action="store_true")
    given, given.rest = parser.parse_known_args()
    return print_totals() if given.totals else run(given)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        show("")
        print("stopped; what was done up to the last slice is in the ledger", file=sys.stderr)
        sys.exit(130)
