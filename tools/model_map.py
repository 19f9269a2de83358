#!/usr/bin/env python3
"""model/MAP.md is whole and true: every transition of words.hpp and worker_core.hpp has a row, and what a row names
exists.

    model_map.py ROOT       prints each finding as file:line: what to do; status 1 if there is one

A row is | ids | model steps | C++ | scenarios |. Steps and functions stand in backticks, scenarios are numbers or
ranges ("2 to 21"). Rows of a guarantee or a race are | name | what is required | scenarios | mutants |: each mutant of
model/run stands in one of them, and is found by a scenario of its row.
"""

import os
import re
import sys

TABLE_ROW = re.compile(r"^//  ([A-Z]\d+) \w+ ", re.M)
NAME = re.compile(r"`([\w:]+)`")
PROMISE = re.compile(r"(?:G\d\d|R-[A-Z]+)$")
MUTANT = re.compile(r'^    "([A-Z0-9]+)": \("(?:[^"]*)", (\d+)\)', re.M)


def ids_of(words):
    """The transitions of the header's tables."""
    return TABLE_ROW.findall(words)


def scenarios_of(run):
    return {int(n) for n in re.findall(r'^    (\d+): \("', run, re.M)}


def mutants_of(run):
    """Each with the scenario that finds it."""
    return {name: int(scenario) for name, scenario in MUTANT.findall(run)}


def defines_step(models, name):
    return re.search(rf"^\s*(?:inline|(?:active )?proctype|#define) {name}\b", models, re.M) is not None


def defines_function(sources, name):
    """A definition or a declaration: the name, its parameters, and something before it that is no operator."""
    return re.search(rf"[\w&*>] (?:\w+::)*{name}\(|^ *(?:explicit )?{name}::{name}\(", sources, re.M) is not None


def ranges(cell):
    for low, high in re.findall(r"(\d+)(?: to (\d+))?", cell):
        yield int(low), int(high or low)


def numbers(cell):
    """The ends of its ranges, each once."""
    return sorted({number for pair in ranges(cell) for number in pair})


def check(page, words, run, models, sources):
    """Findings as (line, words)."""
    seen, promised, scenarios, mutants = set(), set(), scenarios_of(run), mutants_of(run)
    for line, text in enumerate(page.splitlines(), 1):
        cells = [cell.strip() for cell in text.strip().strip("|").split("|")]
        if not text.startswith("|") or len(cells) != 4 or cells[0] in ("id", "what", "---"):
            continue
        if PROMISE.match(cells[0]):
            promised.update(cells[3].split(", "))
            yield from ((line, words) for words in check_promise(cells, mutants, scenarios))
            continue
        ids = re.findall(r"\b[A-Z]\d+\b", cells[0])
        seen.update(ids)
        for name in NAME.findall(cells[1]):
            if not cells[1].startswith("none:") and not defines_step(models, name):
                yield line, f"no model has a step {name}"
        functions = NAME.findall(cells[2])
        if not functions:
            yield line, "which function does this?"
        for name in functions:
            if not defines_function(sources, name):
                yield line, f"there is no function {name} in src or adapters"
        if cells[3] == "none":
            if not cells[1].startswith("none:"):
                yield line, "no scenario takes this step: write one, or say why as `none: ...`"
        elif not re.search(r"\d", cells[3]):
            yield line, "which scenarios take this step?"
        for number in numbers(cells[3]) if cells[3] != "none" else ():
            if number not in scenarios:
                yield line, f"model/run has no scenario {number}"
    for name in ids_of(words):
        if name not in seen:
            yield 1, f"there is a transition {name}, this page has no row for it"
    for name in sorted(mutants.keys() - promised):
        yield 1, f"there is a mutant {name}, no guarantee and no race names it"


def check_promise(cells, mutants, scenarios):
    """What is wrong with the row of a guarantee or a race."""
    if not re.search(r"\d", cells[2]):
        yield f"which scenarios require {cells[0]}?"
    for number in sorted(set(numbers(cells[2])) - scenarios):
        yield f"model/run has no scenario {number}"
    for mutant in cells[3].split(", "):
        if mutant not in mutants:
            yield f"model/run has no mutant {mutant}"
        elif not any(low <= mutants[mutant] <= high for low, high in ranges(cells[2])):
            yield f"{mutant} is found by scenario {mutants[mutant]}, which this row does not name"


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else "."

    def read(path):
        with open(os.path.join(root, path), encoding="utf-8") as file:
            return file.read()

    def read_all(folder, ends):
        paths = (os.path.join(place, f) for place, _, files in os.walk(os.path.join(root, folder)) for f in sorted(files))
        return "\n".join(read(os.path.relpath(path, root)) for path in paths if path.endswith(ends))

    found = list(check(read("model/MAP.md"),
                       read("src/lifetime/words.hpp") + read("adapters/worker/worker_core.hpp"), read("model/run"),
                       read_all("model", ".pml"),
                       read_all("src", (".cpp", ".hpp")) + read_all("adapters/worker", (".cpp", ".hpp"))))
    for line, words in found:
        print(f"model/MAP.md:{line}: {words}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
