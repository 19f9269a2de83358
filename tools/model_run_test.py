#!/usr/bin/env python3
"""What model/run takes for a success: nothing but a complete search without errors."""

import importlib.machinery
import importlib.util
import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
LOADER = importlib.machinery.SourceFileLoader("model_run", str(pathlib.Path(__file__).parent.parent / "model/run"))
SPEC = importlib.util.spec_from_loader("model_run", LOADER)
run = importlib.util.module_from_spec(SPEC)
LOADER.exec_module(run)

WHOLE = "State-vector 212 byte, depth reached 376, errors: 0\n   769883 states, stored\n"
FOUND = "pan:1: invalid end state (at depth 102)\nWarning: Search not completed\nerrors: 1\n    73178 states, stored\n"


class Judge(unittest.TestCase):
    def test_a_complete_search(self):
        self.assertEqual(run.judge(0, WHOLE), ("passed", 769883))

    def test_an_error_of_the_model(self):
        self.assertEqual(run.judge(0, FOUND), ("error: invalid end state", 73178))
        self.assertEqual(run.judge(0, FOUND.replace("invalid end state", "assertion violated g_open[0]"))[0],
                         "error: assertion violated g_open[0]")

    def test_what_was_cut_short(self):
        for words in ("error: max search depth too small\n", "pan: reached -DMEMLIM bound\npan: out of memory\n",
                      "Warning: Search not completed\n"):
            self.assertTrue(run.judge(0, words + WHOLE)[0].startswith("cut short"), words)
        self.assertTrue(run.judge(1, WHOLE)[0].startswith("cut short"))
        self.assertTrue(run.judge(0, WHOLE.replace("769883", "0"))[0].startswith("cut short"))

    def test_what_did_not_come_to_a_result(self):
        self.assertTrue(run.judge(137, "Killed")[0].startswith("pan ended with 137"))
        self.assertTrue(run.judge(1, FOUND.replace("invalid end state", "VECTORSZ is too small"))[0].startswith("pan failed"))

    def test_every_mutant_has_a_scenario_and_a_switch_in_its_model(self):
        models = "".join(path.read_text() for path in sorted(run.MODEL.glob("*.pml")))
        for name, (_, scenario) in run.MUTANTS.items():
            self.assertIn(scenario, run.SCENARIOS, name)
            self.assertRegex(models, rf"\bM_{name}\b")


if __name__ == "__main__":
    unittest.main()
