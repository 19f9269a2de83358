#!/usr/bin/env python3
"""What the words quote and point at is there: code from examples, files behind links, lengths that were promised.

    quotes.py ROOT          prints each finding as file:line: what to do; status 1 if there is one
    quotes.py ROOT --fix    first copies quotations anew, and fills in README's table of guarantees

A quotation is a fenced block after the line <!-- quote FILE [NAME] -->. It equals the lines of FILE between the
comments `// [NAME]` and `// [/NAME]` (`# [NAME]` in Python; NAME is `readme` unless given), without the indentation
they share.
"""

import os
import re
import sys
import textwrap

LENGTHS = {"README.md": 190, "ARCHITECTURE.md": 250, "STYLE.md": 200, r"docs/decisions/\d{4}-[^/]+\.md": 60}
SKIPPED = {".git", "build", "node_modules", "__pycache__"}

QUOTE = re.compile(r"<!-- quote (\S+)(?: (\w+))? -->\n```[^\n]*\n(.*?)^```$", re.S | re.M)
ROW = re.compile(r"^(\| (G\d\d) \| [^|]* \|) ?(.*?) ?\|$", re.M)
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)\s#]+)")


def part(text, name):
    """The lines of `text` between the marks of `name`, or None."""
    match = re.search(rf"^[ ]*(?://|#) \[{name}\]\n(.*?)^[ ]*(?://|#) \[/{name}\]$", text, re.S | re.M)
    return textwrap.dedent(match[1]) if match else None


def cell(guarantee, tests):
    """What stands in the last column of a guarantee's row."""
    for name in sorted(tests):
        if match := re.fullmatch(rf"{guarantee}_(\w+)_test\.cpp", name):
            return f"[{match[1]}](tests/contract/{name})"
    return ""


def fix(text, read, tests):
    def copy(match):
        quoted = part(read(match[1]) or "", match[2] or "readme")
        if quoted is None:
            return match[0]
        begin = match.start(3) - match.start()
        return match[0][:begin] + quoted.strip("\n") + "\n" + match[0][begin + len(match[3]):]

    return ROW.sub(lambda row: f"{row[1]} {cell(row[2], tests)} |".replace("  |", " |"), QUOTE.sub(copy, text))


def check(path, text, read, tests=()):
    """Findings in one page as (line, words); `read` answers a file's text, "" for a folder, or None."""
    for match in QUOTE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        file, name = match[1], match[2] or "readme"
        source = read(file)
        quoted = part(source, name) if source is not None else None
        if quoted is None:
            yield line, f"{file} has no lines between // [{name}] and // [/{name}]"
        elif quoted.strip("\n") != match[3].strip("\n"):
            yield line, f"this differs from the lines of {file} between // [{name}] and // [/{name}]: copy them"
    prose = re.sub(r"^```.*?^```$", lambda block: "\n" * block[0].count("\n"), text, flags=re.S | re.M)
    for match in LINK.finditer(prose):
        if read(os.path.normpath(os.path.join(os.path.dirname(path), match[1]))) is None:
            yield prose.count("\n", 0, match.start()) + 1, f"there is no {match[1]}"
    for match in ROW.finditer(text) if path == "README.md" else ():
        if match[3] != cell(match[2], tests):
            yield text.count("\n", 0, match.start()) + 1, f"{match[2]} is not linked to its test as it is called: --fix"
    length = len(text.splitlines())
    for pattern, limit in LENGTHS.items():
        if re.fullmatch(pattern, path) and length > limit:
            yield limit + 1, f"at most {limit} lines, this has {length}"


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else "."
    contract = os.path.join(root, "tests/contract")
    tests = os.listdir(contract) if os.path.isdir(contract) else []

    def read(path):
        full = os.path.join(root, path)
        if os.path.isdir(full):
            return ""
        if not os.path.isfile(full):
            return None
        with open(full, encoding="utf-8", errors="replace") as file:
            return file.read()

    found = 0
    for place, folders, files in os.walk(root):
        folders[:] = sorted(set(folders) - SKIPPED)
        for name in sorted(files):
            path = os.path.relpath(os.path.join(place, name), root)
            if not name.endswith(".md"):
                continue
            if "--fix" in sys.argv and (fixed := fix(read(path), read, tests)) != read(path):
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(fixed)
            for line, words in check(path, read(path), read, tests):
                print(f"{path}:{line}: {words}")
                found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
