#!/usr/bin/env python3
"""The map of proof: which tests, models and planted bugs stand behind each guarantee, transition and named race.

    proof_map.py ROOT           prints what has no proof, or names something that does not exist; status 1 if anything
    proof_map.py ROOT --fix     writes docs/proof/README.md from the sources; then as above

Nothing on the map is typed by hand. Sources: the headings of docs/guarantees.md, the tables of transitions and races in
comments under src/ and adapters/, ids at their sites, test names, model/MAP.md, the mutants of model/run, the planted
bugs of src/sync/proof.hpp and tests/stress/busted.txt, and the figures that the long runs leave in docs/proof/.

A race is tested by `race("R-X"`, by a test named after it, or by a test with a comment directly above that begins with
its name; to be mentioned is not enough. A transition needs a site, and one of: a row in explorer_weakened.md, a planted
bug or a mutant that names it, a row in model/MAP.md, or a test with such a comment ("// V1, V2: ...").
"""

import os
import re
import sys
from collections import defaultdict, namedtuple

MAP = "docs/proof/README.md"
CODE = (".hpp", ".cpp", ".h", ".c")
SEARCHED = ("include", "src", "adapters", "tests", "cli", "model", "explore", "examples", "tools", "docs")
PROVEN = ("src/", "adapters/")
# The protocols of a record's two words, the inbox and the driver's sleep; of a worker's batch, waits and blocks.
MODELLED = ("T", "H", "I", "S", "J", "Z", "F")

GUARANTEE = re.compile(r"^## (G\d\d) (.+)$", re.M)
TEST = re.compile(r"^\s*(?:TEST|TEST_P|TEST_F|TYPED_TEST|RC_GTEST_PROP)\(\s*(\w+),\s*(\w+)", re.M)
ROW = re.compile(r"^//  ([A-Z]\d{1,2}) ([a-z][a-z ]*?)(?:  |, | who moves)", re.M)
RACE = re.compile(r"^//  (R-[A-Z]+) +(.+?)\.", re.M)
SITE = re.compile(r"(?<![\w-])([A-Z]\d{1,2})(?![\w-])")
BUG = re.compile(r"^  (\w+) = (\d+),\s*// (.+)$", re.M)
PATH = re.compile(r"(?<![\w/.<\"])((?:src|tests|model|explore|cli|tools|docs|examples|include/detent)/[\w./-]*[\w/])")
MARKED = re.compile(r"^// ((?:R-[A-Z]+|[A-Z]\d{1,2})(?:, (?:R-[A-Z]+|[A-Z]\d{1,2}))*)[.:](?:.*\n)(?://.*\n)*"
                    r"(?:TEST|TEST_P|TEST_F|TYPED_TEST)\(", re.M)
MUTANT = re.compile(r'^    "([A-Z0-9]+)": \("([^"]*)"', re.M)
FOUND = re.compile(r"^(\d+) +\w+ +contract +\S+ +busted_contract_(G\d\d)_", re.M)
FOUND_BY_RACE = re.compile(r"^(\d+) +\w+ +races +\S+ +stress_races +Race\.(R_[A-Z]+)", re.M)
IN_RACE = re.compile(r'^    "(R-[A-Z]+)": (\d+),$', re.M)
PROMISE = re.compile(r"^\| (G\d\d|R-[A-Z]+) \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", re.M)
DECISION = re.compile(r"docs/decisions/\d{4}")

Row = namedtuple("Row", "id name path")


def comment_of(line):
    """What follows the first // that is not inside a string."""
    quoted = re.sub(r'"(?:\\.|[^"\\])*"', lambda m: " " * len(m.group()), line)
    at = quoted.find("//")
    return line[at + 2:] if at >= 0 else ""


class Sources:
    def __init__(self, tree):
        self.tree = tree
        self.code = {p: t for p, t in tree.items() if p.endswith(CODE)}
        self.guarantees = GUARANTEE.findall(tree.get("docs/guarantees.md", ""))
        self.races = [r for p, t in sorted(self.code.items()) if p.startswith(PROVEN) for r in RACE.findall(t)]
        self.rows = {}
        for path, text in sorted(self.code.items()):
            if path.startswith(PROVEN):
                for name, what in ROW.findall(text):
                    self.rows.setdefault(name, Row(name, what.strip(), path))
        self.sites = defaultdict(list)  # id -> places that take the step
        for path, text in sorted(self.code.items()):
            if not path.startswith(PROVEN):
                continue
            for number, line in enumerate(text.splitlines(), 1):
                if line.lstrip().startswith("//"):
                    continue  # A table, or prose about other places.
                for name in SITE.findall(re.split(r"->|<-", comment_of(line))[0]):
                    self.sites[name].append((path, number))
        self.mutants = MUTANT.findall(tree.get("model/run", ""))
        # guarantee or race -> (scenarios, mutants), in the words of model/MAP.md
        self.modelled = {name: found for name, *found in PROMISE.findall(tree.get("model/MAP.md", ""))}
        self.marked = {word for p, t in self.code.items() if p.startswith("tests/")
                       for words in MARKED.findall(t) for word in words.split(", ")}
        self.bugs = [(int(n), name, what) for name, n, what in BUG.findall(tree.get("src/sync/proof.hpp", ""))]

    def tests_in(self, path):
        return ["%s.%s" % pair for pair in TEST.findall(self.tree[path])]

    def tests_of_guarantee(self, name):
        """Its own files, with their tests; then other files whose tests or violations name it."""
        own = {p: self.tests_in(p) for p in self.code if p.startswith("tests/contract/%s_" % name)}
        other = [p for p, t in self.code.items() if p not in own and p.startswith(("tests/", "cli/", "explore/"))
                 and re.search(r"\b%s\b" % name, t)]
        return own, sorted(other)

    def bugs_of_guarantee(self, name):
        """The planted bugs that its tests are known to find."""
        return sorted({int(n) for n, g in FOUND.findall(self.tree.get("tests/stress/busted.txt", "")) if g == name})

    def bugs_of_race(self, name):
        """The planted bugs that its test is known to find."""
        learned = FOUND_BY_RACE.findall(self.tree.get("tests/stress/busted.txt", ""))
        asserted = IN_RACE.findall(self.tree.get("tests/stress/races_can_fail_test.py", ""))
        return sorted({int(n) for n, r in learned if r.replace("_", "-") == name} | {int(n) for r, n in asserted if r == name})

    def tests_of_race(self, name):
        """Files with a test of it, not with its name alone."""
        runs, called = 'race("%s"' % name, re.compile(r"(?<![A-Z])%s(?![A-Z])" % name.replace("-", "_"))
        return sorted(p for p, t in self.code.items() if p.startswith("tests/") and (
            any(runs in line and not line.lstrip().startswith("//") for line in t.splitlines())
            or any(called.search(test) for test in self.tests_in(p))
            or any(name in words.split(", ") for words in MARKED.findall(t))))

    def proofs_of(self, name):
        """What notices, or models, a transition."""
        word = re.compile(r"(?<![\w-])%s(?!\w)" % name)
        weakened = self.tree.get("docs/proof/explorer_weakened.md", "").splitlines()
        count = sum(line.startswith("| ") and bool(word.search(line)) for line in weakened)
        return ((["%d weakened" % count] if count else [])
                + ["bug %d" % number for number, _, what in sorted(self.bugs) if word.search(what)]
                + ["mutant %s" % mutant for mutant, what in self.mutants if word.search(what)]
                + (["model"] if word.search(self.tree.get("model/MAP.md", "")) else [])
                + (["test"] if name in self.marked else []))


def ids_used(sources):
    """(id, path, line) of every arrow in a comment: both of its ends are ids."""
    arrow = re.compile(r"([A-Z]\d{1,2}) (?:->|<-) ([A-Z]\d{1,2})")
    for path, text in sorted(sources.code.items()):
        if not path.startswith(PROVEN):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            for pair in arrow.findall(comment_of(line)):
                for name in pair:
                    yield name, path, number


def findings(sources):
    for name, title in sources.guarantees:
        own, _ = sources.tests_of_guarantee(name)
        if not any(own.values()):
            yield "docs/guarantees.md: %s (%s) has no test: tests/contract/%s_..._test.cpp is missing or empty" % (
                name, title, name)
    for name, path, line in ids_used(sources):
        if name not in sources.rows:
            yield "%s:%d: transition %s has no row in any table: add it where its word is described" % (
                path, line, name)
    modelled = sources.tree.get("model/MAP.md", "")
    for row in sources.rows.values():
        if not sources.sites[row.id]:
            yield "%s: transition %s (%s) is taken nowhere: no line carries the id" % (row.path, row.id, row.name)
        if row.id[0] in MODELLED and not re.search(r"(?<!\w)%s(?!\w)" % row.id, modelled):
            yield "%s: transition %s (%s) is missing in model/MAP.md" % (row.path, row.id, row.name)
        elif not sources.proofs_of(row.id):
            yield "%s: transition %s (%s) has no proof: nothing weakens, breaks, models or tests it" % (
                row.path, row.id, row.name)
    for name, _ in sources.races:
        if not sources.tests_of_race(name):
            yield "race %s has no test: to be named in a comment is not enough" % name
        if name not in sources.modelled:
            yield "race %s has no row of its scenarios and mutants in model/MAP.md" % name
    for path, text in sorted(sources.tree.items()):
        if path == MAP:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            said = line if path.endswith(".md") else comment_of(line)
            for named in PATH.findall(said):
                named = named.rstrip("./")
                if not exists(named, sources.tree) and not exists(adapter_of(path) + named, sources.tree):
                    yield "%s:%d: names %s, which does not exist" % (path, number, named)


def exists(named, tree):
    """As a file, a folder, a file without its ending, the beginning of a name ending in _, or a decision by its number."""
    return any(p == named or p.startswith(named) and (named.endswith("_") or p[len(named)] in "/._")
               or DECISION.fullmatch(named) and p.startswith(named + "-") for p in tree)


def adapter_of(path):
    """The folder of an adapter, whose pages may name its own files from there."""
    return "/".join(path.split("/")[:2]) + "/" if path.startswith("adapters/") else ""


def plural(count, word):
    return "%d %s%s" % (count, word, "" if count == 1 else "s")


def written(sources):
    out = ["# The map of proof", "",
           "Written by `./dev fix` from the sources; `./dev check` fails when it is out of date, or when a guarantee, a",
           "transition or a named race has no proof.", "", "## Guarantees", "",
           "Scenarios and mutants are those of [model/run](../../model/MAP.md); planted bugs are those that the guarantee's",
           "own tests, or the race's, are known to find.", "",
           "| guarantee | its own tests | scenarios | mutants | planted bugs | also checked in |",
           "|---|---|---|---|---|---|"]
    for name, title in sources.guarantees:
        own, other = sources.tests_of_guarantee(name)
        files = ", ".join("[%s](../../%s)" % (plural(len(t), "test"), p) for p, t in sorted(own.items()))
        bugs = ", ".join(map(str, sources.bugs_of_guarantee(name))) or "-"
        scenarios, mutants = sources.modelled.get(name, ("-", "-"))
        out.append("| %s %s | %s | %s | %s | %s | %s |" % (name, title, files, scenarios, mutants, bugs,
                                                            ", ".join("`%s`" % p for p in other) or "-"))
    out += ["", "## Named races", "", "| race | what meets | tests | scenarios | mutants | planted bugs |",
            "|---|---|---|---|---|---|"]
    for name, what in sources.races:
        tests = ", ".join("`%s`" % p for p in sources.tests_of_race(name)) or "none"
        scenarios, mutants = sources.modelled.get(name, ("-", "-"))
        bugs = ", ".join(map(str, sources.bugs_of_race(name))) or "-"
        out.append("| %s | %s | %s | %s | %s | %s |" % (name, what, tests, scenarios, mutants, bugs))
    out += ["", "## Planted bugs", "", "`DETENT_BUSTED=<number>` plants one in the proof build; each has to be found.", "",
            "| number | name | what it breaks |", "|---|---|---|"]
    out += ["| %d | `%s` | %s |" % bug for bug in sorted(sources.bugs)]
    out += ["", "## Transitions", "", "| id | step | table | sites | proof |", "|---|---|---|---|---|"]
    for row in sorted(sources.rows.values(), key=lambda r: (r.path, r.id[0], int(r.id[1:]))):
        files = sorted({p for p, _ in sources.sites[row.id]})
        short = ", ".join("`%s`" % p.removeprefix("src/") for p in files)
        out.append("| %s | %s | `%s` | %d in %s | %s |" % (row.id, row.name, row.path.removeprefix("src/"),
                                                          len(sources.sites[row.id]), short, ", ".join(sources.proofs_of(row.id)) or "-"))
    figures = sorted(p for p in sources.tree if p.startswith("docs/proof/") and p != MAP)
    if figures:
        out += ["", "## Figures of the long runs", ""]
        out += ["- [%s](%s)" % (p.removeprefix("docs/proof/"), p.removeprefix("docs/proof/")) for p in figures]
    return "\n".join(out) + "\n"


def read_tree(root):
    tree = {}
    for folder in SEARCHED:
        for where, folders, names in os.walk(os.path.join(root, folder)):
            folders[:] = [f for f in folders if f not in ("node_modules", "__pycache__")]
            for name in names:
                path = os.path.join(where, name)
                try:
                    with open(path, encoding="utf-8") as file:
                        tree[os.path.relpath(path, root)] = file.read()
                except UnicodeDecodeError:
                    tree[os.path.relpath(path, root)] = ""
    return tree


def main():
    arguments = [a for a in sys.argv[1:] if a != "--fix"]
    if len(arguments) != 1:
        sys.exit(__doc__)
    root = arguments[0]
    tree = read_tree(root)
    sources = Sources(tree)
    found = list(findings(sources))
    text = written(sources)
    if "--fix" in sys.argv:
        os.makedirs(os.path.join(root, os.path.dirname(MAP)), exist_ok=True)
        with open(os.path.join(root, MAP), "w", encoding="utf-8") as file:
            file.write(text)
    elif tree.get(MAP) != text:
        found.append("%s: out of date: ./dev fix" % MAP)
    for sentence in found:
        print(sentence)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
