#!/usr/bin/env python3
"""model_map.py by example: what it finds, and what it lets pass."""

import unittest

import model_map

WORDS = "//  T1 arm       any thread     not terminal\n//  H1 lower     armer          hint later\n// T9 in prose\n"
RUN = 'SCENARIOS = {\n    2: ("detent", "x", True),\n    5: ("detent", "y", False),\n}\n'
MUTANTS = 'MUTANTS = {\n    "TWICE": ("a cancel looks (T2)", 5),\n}\n'
MODELS = "inline T1(r, d) {\n}\nactive proctype Driver() {\n}\n#define ISSPENT(r) x\n  lower(r, d, how);\n"
SOURCES = "arm_result core::arm_word(std::uint32_t index) {\n}\ninline lowering lower_hint(mail_words w) {\n  gone(1);\n}\n"
T1 = "| T1 arm | `T1` | `core::arm_word` (a.cpp) | 2 to 5 |\n"
H1 = "| H1 lower | `Driver`, `ISSPENT` | `lower_hint` | 2; more: 5 |\n"


def found(page):
    return [line for line, _ in model_map.check(page, WORDS, RUN, MODELS, SOURCES)]


class ModelMap(unittest.TestCase):
    def test_a_page_that_is_whole(self):
        self.assertEqual(found("# Map\n\n| id | model step | C++ | scenarios |\n|---|---|---|---|\n" + T1 + H1), [])

    def test_the_tables_ids_and_not_those_in_prose(self):
        self.assertEqual(model_map.ids_of(WORDS), ["T1", "H1"])

    def test_a_transition_without_a_row(self):
        self.assertEqual(found(T1), [1])

    def test_a_step_that_no_model_has(self):
        self.assertEqual(found(T1.replace("`T1`", "`T2`") + H1), [1])
        self.assertEqual(found(T1 + H1.replace("`Driver`", "`lower`")), [2], "a use is no definition")

    def test_a_function_that_is_not_there(self):
        self.assertEqual(found(T1.replace("arm_word", "arm_words") + H1), [1])
        self.assertEqual(found(T1 + H1.replace("lower_hint", "gone")), [2], "a call is no definition")
        self.assertEqual(found(T1 + H1.replace("`lower_hint`", "the driver")), [2])

    def test_a_scenario_that_is_not_there(self):
        self.assertEqual(found(T1.replace("2 to 5", "2 to 6") + H1), [1])
        self.assertEqual(found(T1.replace("2 to 5", "all") + H1), [1])

    def test_what_is_not_modelled_says_why(self):
        self.assertEqual(found(T1 + "| H1 | `T1` | `lower_hint` | none |\n"), [2])
        self.assertEqual(found(T1 + "| H1 | none: `special` changes nothing | `lower_hint` | none |\n"), [])

    def test_a_mutant_stands_at_a_promise(self):
        def found_of(row):
            return [words for _, words in model_map.check(T1 + H1 + row, WORDS, RUN + MUTANTS, MODELS, SOURCES)]

        self.assertEqual(found_of("| G02 | it ends once | 2, 5 | TWICE |\n"), [])
        self.assertEqual(found_of("| G02 | it ends once | 2 to 5 | TWICE |\n"), [])
        self.assertIn("no guarantee and no race names it", found_of("")[0])
        self.assertIn("which this row does not name", found_of("| G02 | it ends once | 2 | TWICE |\n")[0])
        self.assertIn("no scenario 6", found_of("| G02 | it ends once | 5, 6 | TWICE |\n")[0])
        self.assertIn("no mutant TWO", found_of("| R-X | it ends once | 5 | TWICE, TWO |\n")[0])
        self.assertIn("which scenarios", found_of("| R-X | it ends once | all | TWICE |\n")[0])


if __name__ == "__main__":
    unittest.main()
