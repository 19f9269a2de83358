"""Ledgers made up for the purpose: the page has to say what is red, and what is open."""

import unittest

import stress

stress.model_sources = lambda: "here"  # Neither git nor the tree is asked.


def row(sanitizer="asan", model=None, **columns):
    made = {name: "0" for name in stress.COLUMNS}
    made.update(commit="0123456789ab", sources="s", model=model or "here", date="2026-01-01", sanitizer=sanitizer)
    made.update({name.replace("__", "/"): str(value) for name, value in columns.items()})
    return made


def named(hits, rarer=None):
    """Columns of all named races with so many meetings."""
    return {name: value for race in stress.RACES
            for name, value in ((race, hits), (race + "/rarer", hits // 2 if rarer is None else rarer))}


class Stress(unittest.TestCase):
    def test_a_short_ledger_is_neither_red_nor_open(self):
        _, red, open_ = stress.page([row(storm_meetings=1000, **named(300))])
        self.assertEqual(([], []), (red, open_))

    def test_a_violation_is_red(self):
        text, red, _ = stress.page([row(violations=3)])
        self.assertEqual(1, len(red))
        self.assertIn("3 violations", red[0])
        self.assertIn(red[0], text)

    def test_a_rare_outcome_is_red_from_many_meetings_on(self):
        columns = {"R-CANCEL": stress.MANY_HITS - 1, "R-CANCEL/rarer": 1}
        self.assertEqual([], stress.page([row(**columns)])[1])
        red = stress.page([row(**columns), row(**{"R-CANCEL": 1})])[1]
        self.assertEqual(1, len(red))
        self.assertIn("R-CANCEL (asan", red[0])

    def test_few_meetings_are_open_once_the_storms_have_run_what_was_wanted(self):
        rows = [row(storm_meetings=stress.WANTED["asan"], **named(stress.WANTED_HITS))]
        self.assertEqual(([], []), stress.page(rows)[1:])
        rows[0]["R-DROP"] = str(stress.WANTED_HITS - 1)
        text, red, open_ = stress.page(rows)
        self.assertEqual([], red)
        self.assertEqual(1, len(open_))
        self.assertIn("R-DROP", open_[0])
        self.assertNotIn("R-CANCEL,", open_[0])
        self.assertIn(open_[0], text)

    def test_the_meetings_of_all_builds_add_up(self):
        rows = [row(storm_meetings=stress.WANTED["asan"], **named(stress.WANTED_HITS - 1)), row("none", **named(1))]
        self.assertEqual(([], []), stress.page(rows)[1:])
        self.assertEqual(1, len(stress.page(rows[:1])[2]))

    def test_what_was_counted_before_counts_no_more(self):
        self.assertEqual(7, stress.effective(row(storm_races=10**9, storm_meetings=5, **{"R-DROP": 2})))

    def test_the_quota_is_that_of_the_model_as_it_is(self):
        rows = [row(model="another", storm_meetings=stress.WANTED["asan"])]
        self.assertEqual([], stress.page(rows)[2])

    def test_the_ledger_adds_up_with_the_page(self):
        text, _, _ = stress.page([row(storm_meetings=5), row(storm_meetings=6)])
        self.assertIn("| effective races | 11 of 100 000 000 |", text)

    def test_violated_runs_that_are_in_no_row_are_told(self):
        self.assertIn(stress.NOTES.read_text().strip(), stress.page([row()])[0])


if __name__ == "__main__":
    unittest.main()
