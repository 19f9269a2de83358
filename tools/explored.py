#!/usr/bin/env python3
"""Explores schedules at random for a while, and keeps account of them in docs/proof/explored.csv.

  explored.py --program FILE --minutes M [--ledger FILE]
  explored.py --totals

First, every scenario is explored without a bound for a second: those that come to their end are
proven, and random schedules of them would be the same few again. The time goes in chunks of all other scenarios, by
turns by dice and by priorities that change (PCT), each with the next seed of its form by the ledger: a run may be
stopped at any moment and gone on with later, and what was added up stays. Rows with equal model sources (a hash over
model/*.pml but worker.pml) count together, whatever their commits; `sources`, a hash over include/ and src/, says which
code ran. The totals are written into docs/proof/explorer.md too.

Status 1: a scenario was violated; the line to replay it with is printed.
"""

import argparse
import csv
import datetime
import os
import pathlib
import re
import subprocess
import sys
import time

from stress import ROOT, git, model_sources, sources, spaced

LEDGER = ROOT / "docs" / "proof" / "explored.csv"
PAGE = ROOT / "docs" / "proof" / "explorer.md"
HEADING = "## Long runs"
COLUMNS = ["commit", "sources", "model", "date", "form", "chunks", "executions", "cpu_s", "violated", "complete"]
SUMMED = COLUMNS[COLUMNS.index("chunks"):COLUMNS.index("complete")]
EXHAUSTIVE = "exhaustive"  # the form of rows whose `complete` names the scenarios that came to their end
FORMS = {"dice": [], "PCT 3": ["--pct", "3"], "PCT 5": ["--pct", "5"], "PCT 2": ["--pct", "2"]}
EXECUTIONS = 5_000  # of each scenario in one chunk


def read(ledger):
    if not ledger.exists():
        return []
    with open(ledger, newline="") as file:
        return list(csv.DictReader(file))


def write(ledger, rows):
    before = ledger.with_suffix(".new")
    with open(before, "w", newline="") as file:
        out = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        out.writeheader()
        out.writerows(rows)
    os.replace(before, ledger)  # A run stopped here leaves the old ledger or the new one, whole.


def add(ledger, key, gained):
    rows = read(ledger)
    row = next((r for r in rows if all(r[k] == v for k, v in key.items())), None)
    if row is None:
        row = dict(key, **dict.fromkeys(SUMMED, "0"))
        rows.append(row)
    for name, value in gained.items():
        row[name] = str(int(row[name]) + value)
    write(ledger, rows)


def explore_whole(program):
    """(a row's figures, the names of the scenarios that came to their end, all names, the output)"""
    words = [str(program), "--bound", "all", "--stale", "64", "--seconds", "1"]
    text = subprocess.run(words, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
    rows = re.findall(r"^(\w+) +(\d[\d ]*?) {2,}\d[\d ]*? {2,}([\d.]+) .*?(held, all of them|held, cut|violated)", text, re.M)
    rows = [row for row in rows if row[0] != "all"]
    whole = [row for row in rows if row[3] == "held, all of them"]
    return ({"chunks": 1, "executions": sum(int(row[1].replace(" ", "")) for row in whole),
             "cpu_s": round(sum(float(row[2]) for row in whole)), "violated": sum(row[3] == "violated" for row in rows)},
            [row[0] for row in whole], [row[0] for row in rows], text)


def chunk(program, form, number, executions, scenarios):
    """What a chunk adds to the ledger, and its output."""
    words = [str(program), "--random", str(executions), "--seed", str(2 * number), *FORMS[form]]
    words += [word for name in scenarios for word in ("--scenario", name)]
    text = subprocess.run(words, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
    last = re.search(r"^all +([\d ]+?) {2,}[\d ]+? {2,}([\d.]+) .* (\d+) violated$", text, re.M)
    if last is None:
        raise SystemExit("the explorer ended without its last line:\n" + text[-2000:])
    return {"chunks": 1, "executions": int(last[1].replace(" ", "")), "cpu_s": round(float(last[2])),
            "violated": int(last[3])}, text


def totals(rows):
    """[(model, sources, executions, cpu_s, violated)] of what went at random, the latest first."""
    sums_of = {}
    for row in rows:
        if row["form"] == EXHAUSTIVE:
            continue
        sums = sums_of.setdefault((row["model"], row["sources"]), [0, 0, 0])
        for i, name in enumerate(SUMMED[1:]):
            sums[i] += int(row[name])
    return [(*key, *sums) for key, sums in reversed(sums_of.items())]


def page(rows):
    now, model = sources(), model_sources()
    all_of = totals(rows)
    same = [t for t in all_of if t[0] == model]
    lines = [HEADING, "", "Written by `./dev explore --minutes`, which adds to [explored.csv](explored.csv): every scenario at random, by dice and",
             "by priorities (PCT), each chunk with the next seed of its form. Executions add up over sources with the same model (a hash",
             "over `model/*.pml` but `worker.pml`). Scenarios that come to their end without any bound are proven instead, and not counted",
             "again; random chunks from before that was so have them too.", "",
             *[f"Exhaustively, sources {r['sources']}: {spaced(len(r['complete'].split()))} scenarios, {spaced(int(r['executions']))} schedules: "
               f"{', '.join(f'`{name}`' for name in r['complete'].split())}.\n" for r in rows if r["form"] == EXHAUSTIVE][-1:],
             f"Of the model as it is now: {spaced(sum(t[2] for t in same))} executions in {spaced(sum(t[3] for t in same))} s of CPU time, "
             f"{sum(t[4] for t in same)} violated.", "", "| model | sources | executions | CPU s | violated |", "|---|---|---|---|---|"]
    lines += [f"| {m} | {name}{' (as they are)' if name == now else ''} | {spaced(e)} | {spaced(s)} | {v} |" for m, name, e, s, v in all_of]
    return "\n".join(lines) + "\n"


def write_page(rows):
    text = PAGE.read_text() if PAGE.exists() else ""
    PAGE.write_text(text.split("\n" + HEADING)[0].rstrip("\n") + "\n\n" + page(rows))


def run(given):
    dirty = "+" if git("status", "--porcelain", "--untracked-files=no", "include", "src") else ""
    key = {"commit": git("rev-parse", "--short=12", "HEAD") + dirty, "sources": sources(), "model": model_sources(),
           "date": datetime.date.today().isoformat()}
    end = time.monotonic() + 60 * given.minutes
    gained, whole, names, text = explore_whole(given.program)
    if not any(r["form"] == EXHAUSTIVE and r["sources"] == key["sources"] and r["complete"] == " ".join(whole) for r in read(given.ledger)):
        add(given.ledger, dict(key, form=EXHAUSTIVE, complete=" ".join(whole)), gained)
    print(f"exhaustively: {len(whole)} of {len(names)} scenarios, {spaced(gained['executions'])} schedules, "
          f"{gained['violated']} violated", flush=True)
    if gained["violated"] != 0:
        print(text)
        return 1
    rest = [name for name in names if name not in whole]
    while time.monotonic() < end:
        rows = read(given.ledger)
        done = {form: sum(int(r["chunks"]) for r in rows if r["form"] == form) for form in FORMS}
        form = min(FORMS, key=done.get)
        gained, text = chunk(given.program, form, done[form] + 1, given.executions, rest)
        add(given.ledger, dict(key, form=form), gained)
        print(f"{form}: {spaced(gained['executions'])} executions, {gained['violated']} violated; altogether "
              f"{spaced(sum(t[2] for t in totals(read(given.ledger))))}", flush=True)
        if gained["violated"] != 0:
            print(text)
            return 1
    if given.ledger == LEDGER:
        write_page(read(LEDGER))
    return 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--executions", type=int, default=EXECUTIONS)
    parser.add_argument("--ledger", type=pathlib.Path, default=LEDGER)
    parser.add_argument("--totals", action="store_true")
    given = parser.parse_args()
    if given.totals:
        write_page(read(LEDGER))
        print(page(read(LEDGER)), end="")
        return 0
    try:
        return run(given)
    except KeyboardInterrupt:  # What was explored up to the last chunk is noted already.
        if given.ledger == LEDGER:
            write_page(read(LEDGER))
        return 130


if __name__ == "__main__":
    sys.exit(main())
