#!/usr/bin/env python3
"""Explores schedules at random for a while, and keeps account of them in docs/proof/explored.csv.

  explored.py --program FILE --minutes M [--ledger FILE]
  explored.py --totals

The time goes in chunks of every scenario, by turns by dice and by priorities that change (PCT), each with seeds that
no chunk before had: a run may be stopped at any moment and gone on with later, and what was added up stays. Rows with
equal model sources (a hash over model/*.pml) count together, whatever their commits; `sources`, a hash over include/
and src/, says which code ran. The totals are written into docs/proof/explorer.md too.

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
COLUMNS = ["commit", "sources", "model", "date", "form", "chunks", "executions", "cpu_s", "violated"]
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
        out = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        out.writeheader()
        out.writerows(rows)
    os.replace(before, ledger)  # A run stopped here leaves the old ledger or the new one, whole.


def add(ledger, key, gained):
    rows = read(ledger)
    row = next((r for r in rows if all(r[k] == v for k, v in key.items())), None)
    if row is None:
        row = dict(key, **dict.fromkeys(COLUMNS[COLUMNS.index("chunks"):], "0"))
        rows.append(row)
    for name, value in gained.items():
        row[name] = str(int(row[name]) + value)
    write(ledger, rows)


def chunk(program, form, number, executions):
    """What a chunk adds to the ledger, and its output."""
    words = [str(program), "--random", str(executions), "--seed", str(2 * number), *FORMS[form]]
    text = subprocess.run(words, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
    last = re.search(r"^all +([\d ]+?) {2,}[\d ]+? {2,}([\d.]+) .* (\d+) violated$", text, re.M)
    if last is None:
        raise SystemExit("the explorer ended without its last line:\n" + text[-2000:])
    return {"chunks": 1, "executions": int(last[1].replace(" ", "")), "cpu_s": round(float(last[2])),
            "violated": int(last[3])}, text


def totals(rows):
    """[(model, sources, executions, cpu_s, violated)], the latest first."""
    sums_of = {}
    for row in rows:
        sums = sums_of.setdefault((row["model"], row["sources"]), [0, 0, 0])
        for i, name in enumerate(COLUMNS[-3:]):
            sums[i] += int(row[name])
    return [(*key, *sums) for key, sums in reversed(sums_of.items())]


def page(rows):
    now, model = sources(), model_sources()
    all_of = totals(rows)
    same = [t for t in all_of if t[0] == model]
    lines = [HEADING, "", "Written by `./dev explore --minutes`, which adds to [explored.csv](explored.csv): every scenario at random, by dice and",
             "by priorities (PCT), no seed twice. Executions add up over sources with the same model (a hash over `model/*.pml`).", "",
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
    while time.monotonic() < end:
        rows = read(given.ledger)
        done = {form: sum(int(r["chunks"]) for r in rows if r["form"] == form) for form in FORMS}
        form = min(FORMS, key=done.get)
        gained, text = chunk(given.program, form, done[form] + 1, given.executions)
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
