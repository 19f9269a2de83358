#!/usr/bin/env python3
"""The rules of the tree that a compiler does not know: who may include whom, and what may stand where.

    layers.py ROOT      prints each finding as file:line: rule: what to write instead; status 1 if there is one

A finding that is meant to stay gets a comment on its line or on the line before it: // allow(rule): the reason.
"""

import os
import re
import sys
from collections import namedtuple

Finding = namedtuple("Finding", "path line rule text")

FOLDERS = ("include", "src", "adapters", "bindings", "cli", "explore", "model", "tests", "bench", "examples", "tools", "docs")
CODE = (".hpp", ".cpp", ".h", ".c")

OS_HEADER = re.compile(
    r"^(unistd|fcntl|pthread|sched|time|poll|signal|dlfcn|semaphore|errno|spawn|termios|windows)\.h$"
    r"|^(sys|linux|asm|net|netinet|arpa|bits|mach)/")
OS_MACRO = re.compile(r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b.*\b(?:__linux__|__gnu_linux__|__unix__|__APPLE__|_WIN32|WIN32"
                      r"|__FreeBSD__|__OpenBSD__|__NetBSD__|__ANDROID__|__GLIBC__)\b")
HEAVY = {"thread", "mutex", "shared_mutex", "functional", "stop_token", "condition_variable", "future", "iostream"}
EMPTY_NAME = re.compile(r"(?:^|[_.-])(util|manager|helper|misc|common)s?(?=$|[_.-])", re.I)
ATOMIC_CALL = re.compile(r"(?:\.|->)(load|store|exchange|fetch_(?:add|sub|or|and|xor)"
                         r"|compare_exchange_(?:weak|strong)|test_and_set)\s*\(")
ATOMIC_ARGUMENTS = {"load": 1, "test_and_set": 1, "compare_exchange_weak": 3, "compare_exchange_strong": 3}
LOCK_FREE = ("src/lifetime/", "src/sync/", "src/registry/", "src/engine/")

# (rule, where, what, instead): calls with a better one.
CALLS = [
    ("sleep", r"^tests/unit/", r"\b(?:sleep_for|sleep_until|usleep|nanosleep|sleep)\s*\(",
     "a unit test never sleeps: move a manual clock, or wait for the event itself"),
    ("thread", r"^(?:src/(?!platform/)|include/)", r"\bstd::j?thread\b",
     "threads are made in src/platform: use its face"),
    ("detach", r"", r"\bstd::j?thread\s*[({].*\)\s*\.\s*detach\s*\(|\b\w*thread\w*(?:\.|->)detach\s*\(",
     "a detached thread outlives what it uses: join it"),
]


def blank(text, strings=True):
    """`text` with comments (and strings) made blank, line by line as long as before."""
    pattern = r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<!\w)\'(?:\\.|[^\'\\\n])+\''

    def space(match):
        found = match.group()
        if not strings and not found.startswith("/"):
            return found
        return re.sub(r"[^\n]", " ", found)

    return re.sub(pattern, space, text, flags=re.S)


class Table:
    """layers.txt, read."""

    def __init__(self, text):
        self.layers, self.faces = {}, {}
        for number, line in enumerate(text.splitlines(), 1):
            line = line.split("#")[0].strip()
            if not line:
                continue
            if match := re.fullmatch(r"layer (\S+):(.*)", line):
                self.layers[match[1]] = match[2].split()
            elif match := re.fullmatch(r"face (\S+) (\S+): \S.*", line):
                self.faces.setdefault(match[1], set()).add(match[2])
            else:
                raise ValueError(f"layers.txt:{number}: neither `layer FOLDER: ...` nor `face FOLDER HEADER: REASON`")

    def layer_of(self, path):
        parts = path.split("/")
        if parts[0] == "include":
            return "public"
        if parts[0] == "src":
            return parts[1] if len(parts) > 2 else None
        for length in range(len(parts) - 1, 0, -1):
            name = "/".join(parts[:length])
            if name in self.layers or "/".join(parts[:length - 1] + ["*"]) in self.layers:
                return name
        return parts[0]

    def allowed(self, layer):
        """The layers that `layer` may include; None says all."""
        star = layer.rsplit("/", 1)[0] + "/*"
        return self.layers.get(layer, self.layers.get(star))


def cycle_in(graph):
    """One cycle of `graph` as a list of its nodes, or None."""
    done, path = set(), []

    def visit(node):
        if node in path:
            return path[path.index(node):] + [node]
        if node in done:
            return None
        path.append(node)
        for following in sorted(graph.get(node, ())):
            if found := visit(following):
                return found
        path.pop()
        done.add(node)
        return None

    for start in sorted(graph):
        if found := visit(start):
            return found
    return None


def resolve(path, name, quoted, tree):
    """The file of `tree` that an #include in `path` means, or None."""
    places = ["include", "cli", "tests", "src"]
    places += sorted({"/".join(other.split("/")[:3]) for other in tree if re.match(r"adapters/[^/]+/include/", other)})
    if quoted:
        places = [os.path.dirname(path), "src"] + places + [""]
    for place in places:
        candidate = os.path.normpath(os.path.join(place, name))
        if candidate in tree:
            return candidate
    return None


def check_includes(path, text, tree, table, graph):
    layer = table.layer_of(path)
    allowed = table.allowed(layer) if layer else None
    if path.startswith("src/") and allowed is None:
        yield 1, "folder", "this folder is not in tools/layers.txt: say there what it may include"
        return
    for number, line in enumerate(blank(text, strings=False).splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not match:
            continue
        quoted, name = match[1] == '"', match[2]
        if not quoted and layer == "public" and name in HEAVY:
            yield number, "heavy", f"<{name}> stays out of public headers: keep it behind the src/ side of the class"
        if layer == "public" or path.startswith("src/"):
            if layer != "platform" and OS_HEADER.match(name):
                yield number, "os-header", f"<{name}> belongs to src/platform: use its face, or a <c...> header"
        target = resolve(path, name, quoted, tree)
        if target is None:
            continue
        graph.setdefault(path, set()).add(target)
        other = table.layer_of(target)
        if quoted and other == "public":
            yield number, "quotes", f"public headers are included as <{target.removeprefix('include/')}>"
        if other == layer:
            continue
        if allowed is not None and other not in allowed and other.split("/")[0] not in allowed:
            may = ", ".join(allowed) or "nothing of ours"
            yield number, "layer", f"{layer} must not include {other} ({name}); it may include: {may}"
        elif target.startswith("src/") and path.startswith("src/"):
            faces = {f"{other}.hpp"} | table.faces.get(other, set())
            if target.removeprefix(f"src/{other}/") not in faces:
                yield number, "face", f'other folders include only the face: "{other}/{other}.hpp"'


def arguments(code, start):
    """How many arguments the call has whose bracket opens at `start`."""
    depth, commas, empty = 0, 0, True
    for char in code[start:]:
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth == 0:
                return 0 if empty else commas + 1
        elif char == "," and depth == 1:
            commas += 1
        if depth and not char.isspace() and not (char == "(" and depth == 1):
            empty = False
    return commas + 1


def check_words(path, text):
    code = blank(text)
    lines, raw = code.splitlines(), text.splitlines()
    own = path.startswith(("src/", "include/"))
    for number, line in enumerate(lines, 1):
        if own and not path.startswith("src/platform/") and OS_MACRO.match(line):
            yield number, "os-if", "what differs between systems is decided in src/platform"
        for rule, where, what, instead in CALLS:
            if re.search(where, path) and re.search(what, line):
                yield number, rule, instead
        if own and re.search(r"memory_order(?:_|::)seq_cst", line):
            if not any("proof:" in near for near in raw[max(0, number - 4):number]):
                yield number, "seq-cst", "say which proof needs it in a comment `proof: ...`, or name a weaker order"
        limit = 140 if re.search(r"//.*(?:\||   )", raw[number - 1]) else 120
        if len(raw[number - 1]) > limit:
            yield number, "line-length", "a line has at most 120 columns, a row of a table in a comment 140: ./dev fix"
    if path.startswith(LOCK_FREE):
        for match in ATOMIC_CALL.finditer(code):
            if arguments(code, match.end() - 1) < ATOMIC_ARGUMENTS.get(match[1], 2):
                number = code.count("\n", 0, match.start()) + 1
                yield number, "order", f"{match[1]}() names its memory order: the default hides what the proof needs"


def check_sizes(path, text):
    length = len(text.splitlines())
    if re.fullmatch(r"examples/[^/]+\.cpp", path) and length > 60:
        yield 61, "example-length", f"an example has at most 60 lines, this one {length}"
    if re.fullmatch(r"src/[^/]+/README\.md", path) and length > 40:
        yield 41, "readme-length", f"a folder's README has at most 40 lines, this one {length}"
    if path.startswith(("src/", "include/")) and path.endswith(CODE) and length > 500:
        if "allow(file-length):" not in text:
            yield 501, "file-length", f"{length} lines; over 500 want a reason: // allow(file-length): ..."


def check_tree(tree):
    """Findings that belong to no single line."""
    for path in sorted(tree):
        for part in path.split("/"):
            if match := EMPTY_NAME.search(part):
                yield path, 1, "name", f"'{match[1]}' says nothing: name the file after what it knows"
    for folder in sorted({path.split("/")[1] for path in tree if path.count("/") > 1 and path.startswith("src/")}):
        if f"src/{folder}/README.md" not in tree:
            yield f"src/{folder}/README.md", 1, "readme", "missing: what the folder knows and must never know"
    promised = re.findall(r"^[|#*\s-]*(G\d\d)\b", tree.get("docs/guarantees.md", ""), re.M)
    tested = {match[1] for path in tree if (match := re.match(r"tests/contract/(G\d\d)_\w+_test\.cpp$", path))}
    for guarantee in sorted(set(promised) - tested):
        yield "docs/guarantees.md", 1, "guarantee", f"{guarantee} has no tests/contract/{guarantee}_*_test.cpp"
    if promised:
        for guarantee in sorted(tested - set(promised)):
            yield "docs/guarantees.md", 1, "guarantee", f"{guarantee} is tested, but not promised here"


def check(tree, table):
    """All findings in `tree`, a mapping of path to text."""
    findings, graph = [], {}
    layers = {name: [other for other in may if other in table.layers] for name, may in table.layers.items()}
    if circle := cycle_in(layers):
        findings.append(Finding("tools/layers.txt", 1, "cycle", " -> ".join(circle)))
    for path, text in sorted(tree.items()):
        rules = [check_sizes(path, text)]
        if path.endswith(CODE):
            rules += [check_includes(path, text, tree, table, graph), check_words(path, text)]
        raw = text.splitlines()
        for rule in rules:
            for number, name, words in rule:
                near = raw[max(0, number - 2):number]
                if not any(re.search(rf"//.*\ballow\({name}\): \S", line) for line in near):
                    findings.append(Finding(path, number, name, words))
    if circle := cycle_in(graph):
        findings.append(Finding(circle[0], 1, "cycle", "these files include each other: " + " -> ".join(circle)))
    findings += [Finding(*found) for found in check_tree(tree)]
    return findings


def read_tree(root):
    tree = {}
    for folder in FOLDERS:
        for place, folders, files in os.walk(os.path.join(root, folder)):
            folders[:] = [name for name in folders if name not in ("node_modules", "__pycache__", "build")]
            for name in files:
                full = os.path.join(place, name)
                text = ""
                if name.endswith(CODE + (".md",)):
                    with open(full, encoding="utf-8", errors="replace") as file:
                        text = file.read()
                tree[os.path.relpath(full, root)] = text
    return tree


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else "."
    with open(os.path.join(root, "tools/layers.txt"), encoding="utf-8") as file:
        table = Table(file.read())
    findings = check(read_tree(root), table)
    for path, line, rule, text in findings:
        print(f"{path}:{line}: {rule}: {text}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
