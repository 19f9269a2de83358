"""CPython's own TimerTests, unmodified, with detent.Timer in the place of threading.Timer.

Skipped, with status 77, where they are not installed: Debian has them in libpython3.11-testsuite.
"""

import sys
import threading
import unittest

import detent

try:
    from test import test_threading
except ImportError as error:
    print(f"CPython's tests are not installed: {error}")
    sys.exit(77)


class TimerTests(test_threading.TimerTests):
    def setUp(self):
        before, threading.Timer = threading.Timer, detent.Timer
        self.addCleanup(setattr, threading, "Timer", before)
        super().setUp()


class Sanity(unittest.TestCase):
    def test_the_tests_are_there(self):
        self.assertTrue(unittest.defaultTestLoader.getTestCaseNames(TimerTests))


if __name__ == "__main__":
    unittest.main()
