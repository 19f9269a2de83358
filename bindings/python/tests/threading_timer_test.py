"""Every row of what is known of threading.Timer, for threading.Timer and for detent.Timer. Where they differ, and ours
is meant to, the class says so in one of the attributes of `Rows`."""

import threading
import time
import unittest

import detent

SOON = 0.02
LATER = 60


class Rows:
    Timer = None  # the class under test
    sets_finished_after_a_throw = None
    cancel_answers = None
    is_dead_at_once_after_cancel = None

    def make(self, interval, function=lambda: None, *args, **kwargs):
        timer = self.Timer(interval, function, *args, **kwargs)
        timer.daemon = True
        self.addCleanup(timer.cancel)
        return timer

    def call_counter(self):
        calls = []
        return calls, lambda *args, **kwargs: calls.append((args, kwargs))

    # --- Firing.

    def test_fires_once_with_its_arguments(self):
        calls, function = self.call_counter()
        timer = self.make(SOON, function, [1, 2], {"three": 3})
        begun = time.monotonic()
        timer.start()
        timer.join()
        self.assertGreaterEqual(time.monotonic() - begun, SOON)
        self.assertEqual(calls, [((1, 2), {"three": 3})])

    def test_zero_and_negative_fire_at_once(self):
        for interval in (0, -1, -1e9):
            calls, function = self.call_counter()
            timer = self.make(interval, function)
            timer.start()
            timer.join()
            self.assertEqual(len(calls), 1)

    def test_arguments_are_those_at_the_call(self):
        calls, function = self.call_counter()
        timer = self.make(SOON, function)
        timer.args.append("later")
        timer.kwargs["more"] = 1
        timer.start()
        timer.join()
        self.assertEqual(calls, [(("later",), {"more": 1})])

    def test_defaults_are_not_shared(self):
        one, other = self.make(1), self.make(1)
        one.args.append(1)
        one.kwargs["x"] = 1
        self.assertEqual((other.args, other.kwargs), ([], {}))

    def test_runs_on_another_thread(self):
        seen = []
        timer = self.make(0, lambda: seen.append(threading.get_ident()))
        timer.start()
        timer.join()
        self.assertNotEqual(seen, [threading.get_ident()])

    # --- Cancel.

    def test_cancel_before_start_is_final(self):
        calls, function = self.call_counter()
        timer = self.make(0, function)
        timer.cancel()
        timer.start()
        timer.join()
        self.assertEqual(calls, [])
        self.assertTrue(timer.finished.is_set())

    def test_cancel_while_waiting(self):
        calls, function = self.call_counter()
        timer = self.make(LATER, function)
        timer.start()
        answer = timer.cancel()
        if self.is_dead_at_once_after_cancel:
            self.assertFalse(timer.is_alive())
        timer.join()
        self.assertEqual(calls, [])
        self.assertTrue(timer.finished.is_set())
        self.assertEqual(answer, detent.CancelResult.CANCELLED if self.cancel_answers else None)

    def test_cancel_twice_and_after_the_end(self):
        timer = self.make(LATER)
        timer.start()
        timer.cancel()
        timer.cancel()
        timer.join()
        timer.cancel()

    def test_cancel_inside_its_own_callback_is_harmless(self):
        answers = []
        timer = self.make(0, lambda: answers.append(timer.cancel()))
        timer.start()
        timer.join()
        self.assertEqual(answers, [detent.CancelResult.RUNNING if self.cancel_answers else None])

    def test_cancel_during_the_call_does_not_interrupt_it(self):
        inside, go_on, ended = threading.Event(), threading.Event(), []

        def function():
            inside.set()
            go_on.wait(30)
            ended.append(1)

        timer = self.make(0, function)
        timer.start()
        inside.wait(30)
        timer.cancel()
        go_on.set()
        timer.join()
        self.assertEqual(ended, [1])

    # --- Start and join.

    def test_start_twice_is_refused(self):
        timer = self.make(LATER)
        timer.start()
        self.assertRaises(RuntimeError, timer.start)
        timer.cancel()
        timer.join()
        self.assertRaises(RuntimeError, timer.start)

    def test_join_before_start_is_refused(self):
        self.assertRaises(RuntimeError, self.make(1).join)

    def test_join_in_its_own_callback_is_refused(self):
        caught = []

        def function():
            try:
                timer.join()
            except RuntimeError as error:
                caught.append(str(error))

        timer = self.make(0, function)
        timer.start()
        timer.join()
        self.assertEqual(caught, ["cannot join current thread"])

    def test_join_with_a_limit(self):
        timer = self.make(LATER)
        timer.start()
        self.assertIsNone(timer.join(0.01))
        self.assertIsNone(timer.join(-1))
        self.assertTrue(timer.is_alive())

    def test_every_joiner_is_woken(self):
        timer = self.make(SOON)
        timer.start()
        joiners = [threading.Thread(target=timer.join) for _ in range(8)]
        for joiner in joiners:
            joiner.start()
        for joiner in joiners:
            joiner.join(30)
            self.assertFalse(joiner.is_alive())

    def test_join_waits_for_the_call(self):
        done = []
        timer = self.make(0, lambda: (time.sleep(0.02), done.append(1)))
        timer.start()
        timer.join()
        self.assertEqual(done, [1])
        self.assertFalse(timer.is_alive())

    # --- Attributes.

    def test_is_alive(self):
        timer = self.make(LATER)
        self.assertFalse(timer.is_alive())
        timer.start()
        self.assertTrue(timer.is_alive())
        timer.cancel()
        timer.join()
        self.assertFalse(timer.is_alive())

    def test_it_is_a_thread_with_a_name(self):
        timer = self.make(1)
        self.assertIsInstance(timer, threading.Thread)
        self.assertIsInstance(timer.name, str)
        self.assertNotEqual(timer.name, self.make(1).name)
        timer.name = "tea"
        self.assertEqual(timer.name, "tea")
        self.assertIn("tea", repr(timer))

    def test_daemon_is_inherited_and_fixed_at_start(self):
        timer = self.Timer(LATER, print)
        self.assertFalse(timer.daemon)
        timer.daemon = True
        self.assertTrue(timer.daemon)
        timer.start()
        with self.assertRaises(RuntimeError):
            timer.daemon = False
        timer.cancel()

        def inner():
            children.append(self.Timer(1, print).daemon)

        children = []
        parents = [self.make(0, inner), self.Timer(0, inner)]
        for parent in parents:
            parent.start()
            parent.join()
        self.assertEqual(children, [True, False])

    def test_public_attributes(self):
        timer = self.make(7, print, (1,), {"end": ""})
        self.assertEqual((timer.interval, timer.function, timer.args, timer.kwargs), (7, print, (1,), {"end": ""}))
        self.assertIsNone(timer.ident)
        self.assertFalse(timer.finished.is_set())

    # --- Exceptions.

    def test_an_exception_goes_to_the_excepthook(self):
        seen = []
        before, threading.excepthook = threading.excepthook, seen.append
        try:
            timer = self.make(0, lambda: 1 / 0)
            finished = timer.finished
            timer.start()
            timer.join()
        finally:
            threading.excepthook = before
        self.assertEqual(len(seen), 1)
        self.assertIs(seen[0].exc_type, ZeroDivisionError)
        self.assertIs(seen[0].thread, timer)
        self.assertIsNotNone(seen[0].exc_traceback)
        self.assertFalse(timer.is_alive())
        self.assertEqual(finished.is_set(), self.sets_finished_after_a_throw)

    def test_system_exit_is_silent(self):
        seen = []
        before, threading.excepthook = threading.excepthook, seen.append
        try:
            timer = self.make(0, lambda: exit(3))
            timer.start()
            timer.join()
        finally:
            threading.excepthook = before
        # CPython's own hook is called and says nothing; ours is not called.
        self.assertTrue(all(args.exc_type is SystemExit for args in seen))

    # --- Subclasses.

    def test_a_subclass_with_run_has_a_thread_of_its_own(self):
        seen = []

        class Own(self.Timer):
            def run(self):
                seen.append((threading.current_thread() is self, self.ident == threading.get_ident()))
                super().run()

        calls, function = self.call_counter()
        timer = Own(SOON, function, [5])
        timer.start()
        self.assertTrue(timer.is_alive())
        timer.join()
        self.assertEqual((seen, calls), ([(True, True)], [((5,), {})]))
        self.assertFalse(timer.is_alive())
        cancelled = Own(LATER, function)
        cancelled.daemon = True
        cancelled.start()
        cancelled.cancel()
        cancelled.join()
        self.assertEqual(len(calls), 1)

    def test_the_well_known_repeating_subclass(self):
        class Repeating(self.Timer):
            def run(self):
                while not self.finished.wait(self.interval):
                    self.function(*self.args, **self.kwargs)

        calls, function = self.call_counter()
        timer = Repeating(0.005, function)
        timer.start()
        while len(calls) < 3:
            time.sleep(0.001)
        timer.cancel()
        timer.join()
        self.assertFalse(timer.is_alive())

    def test_a_subclass_without_run_adds_its_own(self):
        class Named(self.Timer):
            def __init__(self, tag):
                super().__init__(SOON, self.tell)
                self.tag = tag
                self.heard = []

            def tell(self):
                self.heard.append(self.tag)

        timer = Named("x")
        timer.start()
        timer.join()
        self.assertEqual(timer.heard, ["x"])


class ThreadingTimer(Rows, unittest.TestCase):
    Timer = threading.Timer
    sets_finished_after_a_throw = False  # the original's bug
    cancel_answers = False
    is_dead_at_once_after_cancel = False


class DetentTimer(Rows, unittest.TestCase):
    Timer = detent.Timer
    sets_finished_after_a_throw = True
    cancel_answers = True
    is_dead_at_once_after_cancel = True

    def test_a_start_without_a_service_is_none(self):
        timer = self.make(0)
        before = detent._timer.default_service

        def refuse():
            raise OSError("no thread")

        detent._timer.default_service = refuse
        try:
            self.assertRaises(OSError, timer.start)
        finally:
            detent._timer.default_service = before
        self.assertFalse(timer.is_alive())
        timer.start()
        timer.join(30)
        self.assertTrue(timer.finished.is_set())

    def test_finished_is_set_if_the_timer_ends_while_it_is_made(self):
        class EndsMeanwhile(detent.Timer):
            @property
            def _is_cancelled(self):
                self._end()  # as the service's thread may do at any moment
                return False

            @_is_cancelled.setter
            def _is_cancelled(self, value):
                pass

        self.assertTrue(EndsMeanwhile(1, print).finished.is_set())


if __name__ == "__main__":
    unittest.main()
