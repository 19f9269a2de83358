"""Small trees with one fault each: the map of proof has to name it."""

import unittest

import proof_map

WORDS = """// words
//  T1 arm       any thread   x
//  R-CANCEL   fire against cancel. One wins.
"""
TREE = {
    "docs/guarantees.md": "# Guarantees\n\n## G01 Never early\n",
    "tests/contract/G01_never_early_test.cpp": "TEST(G01, Holds) {}\n",
    "tests/stress/races_test.cpp": "// R-CANCEL\n",
    "src/words.hpp": WORDS,
    "src/arming.cpp": "x();  // T1.\n",
    "model/MAP.md": "| T1 arm | ... |\n",
}


def findings(**changes):
    tree = {**TREE, **{k.replace("__", "/"): v for k, v in changes.items()}}
    return list(proof_map.findings(proof_map.Sources(tree)))


class ProofMap(unittest.TestCase):
    def only(self, found, *words):
        self.assertEqual(1, len(found), found)
        for word in words:
            self.assertIn(word, found[0])

    def test_a_whole_tree_is_silent(self):
        self.assertEqual([], findings())

    def test_a_guarantee_without_a_test(self):
        tree = dict(TREE)
        del tree["tests/contract/G01_never_early_test.cpp"]
        self.only(list(proof_map.findings(proof_map.Sources(tree))), "G01", "no test")

    def test_a_guarantee_with_an_empty_test_file(self):
        tree = {**TREE, "tests/contract/G01_never_early_test.cpp": "// TEST(G01, Gone)\n"}
        self.only(list(proof_map.findings(proof_map.Sources(tree))), "G01", "no test")

    def test_a_race_without_a_test(self):
        tree = {**TREE, "tests/stress/races_test.cpp": "// R-CANCELLED is another\n"}
        self.only(list(proof_map.findings(proof_map.Sources(tree))), "R-CANCEL")

    def test_an_id_without_a_row(self):
        tree = {**TREE, "src/arming.cpp": "x();  // T1.\ny();  // T1 -> Q7.\n"}
        self.only(list(proof_map.findings(proof_map.Sources(tree))), "src/arming.cpp:2", "Q7")

    def test_a_row_that_no_site_takes(self):
        tree = {**TREE, "src/arming.cpp": "// T1 in prose is no site\n"}
        self.only(list(proof_map.findings(proof_map.Sources(tree))), "T1", "taken nowhere")

    def test_a_transition_the_model_does_not_know(self):
        tree = {**TREE, "model/MAP.md": "| T11 end | ... |\n"}
        self.only(list(proof_map.findings(proof_map.Sources(tree))), "T1 ", "model/MAP.md")

    def test_a_name_that_does_not_exist(self):
        tree = {**TREE, "src/arming.cpp": "x();  // T1: see tests/contract/G99_gone_test.cpp.\n"}
        self.only(list(proof_map.findings(proof_map.Sources(tree))), "src/arming.cpp:1", "G99_gone_test.cpp")

    def test_the_map_names_what_was_found(self):
        text = proof_map.written(proof_map.Sources(TREE))
        self.assertIn("| G01 Never early | [1 test](../../tests/contract/G01_never_early_test.cpp) |", text)
        self.assertIn("| R-CANCEL | fire against cancel | `tests/stress/races_test.cpp` | - |", text)
        self.assertIn("| T1 | arm | `words.hpp` | 1 in `arming.cpp` | yes |", text)


if __name__ == "__main__":
    unittest.main()
