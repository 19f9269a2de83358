"""Small trees with one fault each: the map of proof has to name it."""

import unittest

import proof_map

WORDS = """// words
//  T1 arm       any thread   x
//  R-CANCEL   fire against cancel. One wins.
"""
PROMISED = "| R-CANCEL | one of them takes it | 5, 9 | TWICE |\n"
TREE = {
    "docs/guarantees.md": "# Guarantees\n\n## G01 Never early\n",
    "tests/contract/G01_never_early_test.cpp": "TEST(G01, Holds) {}\n",
    "tests/stress/races_test.cpp": "TEST(Race, R_CANCEL) {}\n",
    "src/words.hpp": WORDS,
    "src/arming.cpp": "x();  // T1.\n",
    "model/MAP.md": "| T1 arm | ... |\n" + PROMISED,
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
        for text in ("// R-CANCELLED is another\n", "// R-CANCEL\n", "TEST(Race, R_CANCELLED) {}\n",
                     '// race("R-CANCEL") was here\n', "// R-CANCEL. Something.\nint x;\nTEST(Race, Other) {}\n"):
            tree = {**TREE, "tests/stress/races_test.cpp": text}
            self.only(list(proof_map.findings(proof_map.Sources(tree))), "R-CANCEL")

    def test_a_race_without_its_row(self):
        self.only(findings(**{"model/MAP.md": "| T1 arm | ... |\n"}), "R-CANCEL", "model/MAP.md")

    def test_what_counts_as_the_test_of_a_race(self):
        for text in ('race("R-CANCEL", 1);\n', "TEST(Race, R_CANCEL_AndMore) {}\n",
                     "// R-CANCEL. One wins,\n// always.\nTEST(Race, Other) {}\n"):
            self.assertEqual([], findings(**{"tests__stress__races_test.cpp": ""}) and
                             list(proof_map.findings(proof_map.Sources({**TREE, "tests/stress/races_test.cpp": text}))))

    def test_a_transition_without_proof(self):
        # N is no word of the models, so a row in MAP.md is not asked for.
        tree = {**TREE, "src/words.hpp": WORDS.replace("T1 arm ", "N1 arm "), "src/arming.cpp": "x();  // N1.\n"}
        self.only(list(proof_map.findings(proof_map.Sources(tree))), "N1", "no proof")
        for path, text in (("tests/a_test.cpp", "// N1, N2: both.\nTEST(A, B) {}\n"),
                           ("docs/proof/explorer_weakened.md", "| arm N1 release | found |\n"),
                           ("src/sync/proof.hpp", "  lost = 4,  // N1 is left out\n"),
                           ("model/run", '    "LOST": ("no N1 after the push", 11),\n')):
            self.assertEqual([], list(proof_map.findings(proof_map.Sources({**tree, path: text}))), path)

    def test_an_id_without_a_row(self):
        tree = {**TREE, "src/arming.cpp": "x();  // T1.\ny();  // T1 -> Q7.\n"}
        self.only(list(proof_map.findings(proof_map.Sources(tree))), "src/arming.cpp:2", "Q7")

    def test_a_row_that_no_site_takes(self):
        tree = {**TREE, "src/arming.cpp": "// T1 in prose is no site\n"}
        self.only(list(proof_map.findings(proof_map.Sources(tree))), "T1", "taken nowhere")

    def test_a_transition_the_model_does_not_know(self):
        tree = {**TREE, "model/MAP.md": "| T11 end | ... |\n" + PROMISED}
        self.only(list(proof_map.findings(proof_map.Sources(tree))), "T1 ", "model/MAP.md")

    def test_a_name_that_does_not_exist(self):
        tree = {**TREE, "src/arming.cpp": "x();  // T1: see tests/contract/G99_gone_test.cpp.\n"}
        self.only(list(proof_map.findings(proof_map.Sources(tree))), "src/arming.cpp:1", "G99_gone_test.cpp")

    def test_the_map_names_what_was_found(self):
        text = proof_map.written(proof_map.Sources(TREE))
        self.assertIn("| G01 Never early | [1 test](../../tests/contract/G01_never_early_test.cpp) | - |", text)
        self.assertIn("| R-CANCEL | fire against cancel | `tests/stress/races_test.cpp` | 5, 9 | TWICE | - |", text)
        self.assertIn("| T1 | arm | `words.hpp` | 1 in `arming.cpp` | model |", text)


if __name__ == "__main__":
    unittest.main()
