#!/usr/bin/env python3
"""quotes.py by example: what it finds, and what it lets pass."""

import unittest

import quotes

EXAMPLE = "int a;\n  // [readme]\n  int b;\n\n    int c;\n  // [/readme]\nint d;\n"
FILES = {"examples/x.cpp": EXAMPLE, "docs": "", "docs/a.md": "a"}


def found(text, path="README.md"):
    return [line for line, _ in quotes.check(path, text, FILES.get)]


def page(code, file="examples/x.cpp"):
    return f"Words.\n\n<!-- quote {file} -->\n```cpp\n{code}```\n\nMore words.\n"


class Quotes(unittest.TestCase):
    def test_lines_that_agree_but_for_their_common_indentation(self):
        self.assertEqual(found(page("int b;\n\n  int c;\n")), [])

    def test_lines_that_differ(self):
        self.assertEqual(found(page("int b;\n\n  int d;\n")), [3])

    def test_a_file_or_a_part_that_is_not_there(self):
        self.assertEqual(found(page("int b;\n", "examples/y.cpp")), [3])
        self.assertEqual(found(page("int b;\n", "examples/x.cpp other")), [3])

    def test_links(self):
        self.assertEqual(found("[a](docs/a.md) [b](docs) [c](https://example.org/x) [d](#e) [f](docs/a.md#g)\n"), [])
        self.assertEqual(found("[a](docs/b.md)\n"), [1])
        self.assertEqual(found("[a](a.md)\n", "docs/b.md"), [])
        self.assertEqual(found("```\nf[0](x);\n```\n[a](b)\n"), [4])

    def test_the_row_of_a_guarantee_names_its_test(self):
        tests = ["G02_one_end_test.cpp", "stage.hpp"]
        empty, full = "| G02 | One. | |\n", "| G02 | One. | [one_end](tests/contract/G02_one_end_test.cpp) |\n"
        self.assertEqual([line for line, _ in quotes.check("README.md", empty, FILES.get, tests)], [1])
        self.assertEqual(quotes.fix(empty, FILES.get, tests), full)
        self.assertEqual(quotes.fix(full, FILES.get, tests), full)
        self.assertEqual(quotes.fix(full, FILES.get, []), empty)

    def test_a_quotation_is_copied_anew(self):
        for before in ["int e;\n", ""]:
            self.assertEqual(quotes.fix(page(before), FILES.get, []), page("int b;\n\n  int c;\n"))

    def test_lengths(self):
        self.assertEqual(found("\n" * 190), [])
        self.assertEqual(found("\n" * 191), [191])
        self.assertEqual(found("\n" * 61, "docs/decisions/0001-a-word.md"), [61])


if __name__ == "__main__":
    unittest.main()
