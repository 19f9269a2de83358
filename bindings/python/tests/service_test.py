"""Services, ids, handles and groups; the GIL, exceptions and reference cycles. Time is a manual clock's where it can be."""

import gc
import sys
import threading
import time
import unittest
import weakref
from datetime import timedelta

import detent
from detent import ArmResult, CancelResult, MissedTicks, Pace, State, WaitResult


def heard_unraisable(test):
    heard = []
    before, sys.unraisablehook = sys.unraisablehook, lambda args: heard.append((args.exc_type, args.object))
    test.addCleanup(setattr, sys, "unraisablehook", before)
    return heard


class OnManualClock(unittest.TestCase):
    def setUp(self):
        self.clock = detent.ManualClock()
        self.service = detent.Service(clock=self.clock)
        self.calls = []

    def test_after_and_every(self):
        once = self.service.after(1, self.calls.append, "once", name="once")
        tick = self.service.every(0.4, self.calls.append, "tick", first=timedelta(milliseconds=100))
        self.assertEqual((once.state, tick.state), (State.PENDING, State.PENDING))
        names = sorted(info["name"] for info in self.service.snapshot())
        self.assertEqual(names, ["", "once"])
        self.assertEqual(self.clock.advance(1), 4)
        self.assertEqual(self.calls, ["tick", "tick", "tick", "once"])
        self.assertEqual((once.state, once.cancel()), (State.CLOSED, CancelResult.CLOSED))
        self.assertEqual(tick.cancel(), CancelResult.CANCELLED)
        self.assertEqual(self.clock.advance(10), 0)
        self.assertEqual(self.service.counters()["alive"], 0)

    def test_a_handle(self):
        timer = self.service.timer(self.calls.append, 1, name="h")
        self.assertEqual(timer.state, State.IDLE)
        self.assertEqual(timer.arm_after(5), ArmResult.ARMED)
        self.assertEqual(timer.arm_after(9), ArmResult.REARMED)
        self.clock.advance(8)
        self.assertEqual(self.calls, [])
        self.clock.advance(1)
        self.assertEqual(self.calls, [1])
        self.assertEqual(timer.arm_every(1, missed=MissedTicks.BURST, pace=Pace.FIXED_RATE), ArmResult.ARMED)
        self.clock.advance(3)
        self.assertEqual(len(self.calls), 4)
        self.assertEqual(timer.arm_every(0), ArmResult.REFUSED)
        self.assertEqual(timer.close_and_wait(), (CancelResult.CANCELLED, WaitResult.QUIET))
        self.assertEqual(timer.arm_after(1), ArmResult.CLOSED)

    def test_a_system_timer_follows_the_wall_clock(self):
        timer = self.service.timer(self.calls.append, 1, clock=detent.Clock.SYSTEM)
        timer.arm_at(self.clock.now_ns(detent.Clock.SYSTEM) / 1e9 + 100)
        self.clock.advance(50)
        self.assertEqual(self.calls, [])
        self.clock.step_system(51)
        self.assertEqual(self.calls, [1])

    def test_the_firing(self):
        seen = []

        def tick():
            firing = detent.firing()
            seen.append((firing, firing.deadline_ns, firing.lateness_ns, firing.missed, firing.stop_requested()))
            if len(seen) == 2:
                firing.close()

        now = self.clock.now_ns()
        tick_timer = self.service.every(1, tick)
        self.assertIsNone(detent.firing())
        self.clock.advance(10)
        self.assertEqual([each[1:] for each in seen], [(now + 10**9, 0, 0, False), (now + 2 * 10**9, 0, 0, False)])
        self.assertEqual(tick_timer.state, State.CLOSED)
        with self.assertRaises(RuntimeError):
            seen[0][0].deadline_ns

    def test_inside_its_own_callback_nothing_blocks(self):
        answers = []

        def function():
            answers.append(timer.cancel())
            answers.append(timer.wait().name)
            answers.append(timer.close_and_wait())

        timer = self.service.timer(function)
        timer.arm_after(1)
        self.clock.advance(1)
        self.assertEqual(
            answers,
            [CancelResult.RUNNING, "FROM_CALLBACK", (CancelResult.RUNNING, WaitResult.FROM_CALLBACK)],
        )

    def test_close_then_runs_once_after_the_last_call(self):
        timer = self.service.timer(self.calls.append, "call")
        timer.arm_after(1)
        timer.close_then(self.calls.append, "over")
        self.assertEqual(self.calls, [])
        self.clock.advance(5)
        self.assertEqual(self.calls, ["over"])

    def test_groups(self):
        with self.service.group("all", serial=True) as group:
            timers = [group.timer(self.calls.append, i) for i in range(3)]
            child = group.group("child")
            timers.append(child.timer(self.calls.append, 3))
            for timer in timers:
                timer.arm_after(1)
            self.assertEqual((len(group), len(child)), (4, 1))
            self.assertEqual(group.cancel(), 4)
            timers[3].arm_after(1)
        self.assertEqual([timer.arm_after(1) for timer in timers], [ArmResult.CLOSED] * 4)
        self.clock.advance(5)
        self.assertEqual(self.calls, [])

    def test_an_exception_is_told_and_a_series_goes_on(self):
        heard = heard_unraisable(self)

        def bad():
            self.calls.append(1)
            raise KeyError("bad")

        goes_on = self.service.every(1, bad)
        ends = self.service.every(1, bad, end_on_error=True)
        self.clock.advance(3)
        self.assertEqual(heard, [(KeyError, bad)] * 4)
        self.assertEqual((goes_on.state, ends.state), (State.PENDING, State.CLOSED))
        self.assertEqual(self.service.counters()["failed"], 4)
        goes_on.close()

    def test_extremes(self):
        never = self.service.after(float("inf"), self.calls.append, 1)
        self.service.after(-5, self.calls.append, 2)
        self.service.after(-float("inf"), self.calls.append, 3)
        self.clock.advance(10**6)
        self.assertEqual((self.calls, never.state), ([2, 3], State.PENDING))
        self.assertRaises(ValueError, self.service.after, float("nan"), print)
        self.assertRaises(ValueError, self.service.every, 0, print)
        self.assertRaises(TypeError, self.service.after, 1, None)
        self.assertRaises(TypeError, self.service.after, "soon", print)

    def test_after_shutdown(self):
        pending = self.service.after(1, self.calls.append, 1)
        timer = self.service.timer(print)
        report = self.service.shutdown()
        self.assertEqual((report.complete, report.cancelled, report.still_running), (True, 1, []))
        self.assertEqual((timer.arm_after(1), timer.cancel()), (ArmResult.SHUT_DOWN, CancelResult.SHUT_DOWN))
        self.assertEqual(self.service.after(1, print).id, 0)
        self.assertEqual(pending.cancel(), CancelResult.CLOSED)  # it ended with the shutdown

    # --- References.

    def test_a_function_is_released_when_its_timer_is_over(self):
        class Owned:
            def __call__(self):
                pass

        def after(owned):
            self.service.after(1, owned)

        def cancelled(owned):
            self.service.after(1, owned).cancel()

        def closed(owned):
            self.service.timer(owned).close()

        def dropped(owned):
            self.service.timer(owned).arm_after(1)

        for use in (after, cancelled, closed, dropped):
            owned = Owned()
            gone = weakref.ref(owned)
            use(owned)
            del owned
            self.clock.advance(2)
            self.assertIsNone(gone(), use.__name__)

    def test_a_dropped_handle_closes_its_timer_and_a_dropped_id_does_not(self):
        self.service.timer(self.calls.append, "handle").arm_after(1)
        self.service.after(1, self.calls.append, "id")
        self.clock.advance(2)
        self.assertEqual(self.calls, ["id"])

    def test_a_cycle_through_the_engine_is_collected(self):
        class Owner:
            def __init__(self, service):
                self.timer = service.timer(self.tick)
                self.timer.arm_every(1)

            def tick(self):
                pass

        owner = Owner(self.service)
        gone = weakref.ref(owner)
        del owner
        self.assertIsNotNone(gone())
        gc.collect()
        self.assertIsNone(gone())
        self.assertEqual(self.clock.advance(5), 0)
        self.assertEqual(self.service.counters()["alive"], 0)

    def test_a_service_dropped_by_an_exception_runs_what_is_left(self):
        heard = heard_unraisable(self)

        def with_a_continuation():
            service = detent.Service(by_user=True)
            service.timer(print).close_then(self.calls.append, "over")
            return service

        with self.assertRaises(ZeroDivisionError):
            [with_a_continuation(), 1 / 0]
        self.assertEqual((self.calls, heard), (["over"], []))

    def test_a_continuation_is_a_callback_without_a_firing(self):
        self.service.timer(print).close_then(lambda: self.calls.append((detent.firing(), detent._detent.in_callback())))
        self.clock.advance(1)
        self.assertEqual(self.calls, [(None, True)])
        self.assertFalse(detent._detent.in_callback())

    def test_the_clock_may_go_before_the_service(self):
        self.clock = None
        self.service.after(1, self.calls.append, 1)
        self.service = None


class OnThreads(unittest.TestCase):
    def test_a_wait_lets_others_run(self):
        with detent.Service() as service:
            ticks, go_on = [], threading.Event()
            timer = service.timer(go_on.wait, 30)
            timer.arm_after(0)
            while timer.state is not State.RUNNING:
                time.sleep(0.001)
            other = threading.Thread(target=lambda: (ticks.append(1), go_on.set()))
            other.start()
            self.assertEqual(timer.close_and_wait().wait, WaitResult.QUIET)  # would hang with the GIL held
            self.assertEqual(ticks, [1])
            other.join()

    def test_close_and_wait_means_quiet(self):
        with detent.Service() as service:
            for i in range(200):
                running = []

                def function():
                    running.append(1)
                    running.pop()

                with service.timer(function) as timer:
                    timer.arm_every(1e-5)
                    if i % 2:
                        time.sleep(0.0005)
                self.assertEqual(running, [])

    def test_stop_is_heard(self):
        with detent.Service() as service:
            inside = threading.Event()

            def function():
                inside.set()
                firing = detent.firing()
                while not firing.stop_requested():
                    time.sleep(0.001)

            timer = service.timer(function)
            timer.arm_after(0)
            inside.wait(30)
            self.assertEqual(timer.close_and_wait(30), (CancelResult.RUNNING, WaitResult.QUIET))

    def test_two_that_wait_for_each_other_are_told(self):
        with detent.Service(threads=2) as service:
            meet, answers = threading.Barrier(2), []
            timers = []

            def function(other):
                meet.wait(30)
                answers.append(timers[other].close_and_wait().wait)

            timers += [service.timer(function, 1), service.timer(function, 0)]
            for timer in timers:
                timer.arm_after(0)
            deadline = time.monotonic() + 60
            while len(answers) < 2 and time.monotonic() < deadline:
                time.sleep(0.001)
            self.assertEqual(sorted(answers), [WaitResult.QUIET, WaitResult.WOULD_DEADLOCK])

    def test_a_join_that_needs_its_own_thread_is_refused(self):
        service = detent.Service(threads=1)
        before = detent.default_service()
        detent.use_service(service)
        self.addCleanup(detent.use_service, before)
        caught, done = [], threading.Event()
        late = detent.Timer(3600, print)

        def function():
            try:
                late.join()
            except RuntimeError as error:
                caught.append(error)
            done.set()

        late.daemon = True
        late.start()
        detent.Timer(0, function).start()
        self.assertTrue(done.wait(30))
        self.assertEqual(len(caught), 1)
        late.cancel()
        service.shutdown()

    def test_from_many_threads_at_once(self):
        with detent.Service() as service:
            calls, lock = [0], threading.Lock()

            def count():
                with lock:
                    calls[0] += 1

            answers = []

            def work(seed):
                cancelled = 0
                for i in range(500):
                    timer = service.after((i * seed % 7) * 1e-4, count)
                    if i % 2 and timer.cancel() is CancelResult.CANCELLED:
                        cancelled += 1
                answers.append(cancelled)

            threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2, 3, 5)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            service.shutdown(detent.ShutdownPolicy.RUN_DUE)
            deadline = time.monotonic() + 30
            report = service.shutdown()
            self.assertEqual(calls[0] + sum(answers) + report.cancelled, 2000)
            self.assertLess(time.monotonic(), deadline)

    def test_a_service_dropped_inside_its_own_callback(self):
        gone = threading.Event()
        service = [detent.Service()]
        weakref.finalize(service[0], gone.set)
        service[0].after(0, service.clear)
        self.assertTrue(gone.wait(30))

    def test_ctrl_c_ends_a_wait(self):
        import signal

        with detent.Service() as service:
            timer = service.timer(print)
            timer.arm_after(3600)
            interrupt = threading.Thread(target=lambda: (time.sleep(0.05), signal.raise_signal(signal.SIGINT)))
            with self.assertRaises(KeyboardInterrupt):
                interrupt.start()
                timer.wait()
            interrupt.join()

    def test_the_collector_takes_nothing_apart_that_is_about_to_be_called(self):
        # The call has begun and wants the GIL, which this thread keeps until the collector is through.
        heard, seen = heard_unraisable(self), []

        class Owner:
            def __init__(self, service):
                self.timer = service.timer(self.tick)

            def tick(self):
                seen.append("timer" in self.__dict__)

        with detent.Service() as service:
            owner = Owner(service)
            before = sys.getswitchinterval()
            sys.setswitchinterval(100)
            try:
                owner.timer.arm_after(0)
                while owner.timer.state is not State.RUNNING:
                    pass
                del owner
                gc.collect()
            finally:
                sys.setswitchinterval(before)
            while not seen and not heard:
                time.sleep(0.001)
        self.assertEqual((seen, heard), ([True], []))

    def test_a_wait_in_slices_misses_no_end_of_a_firing(self):
        # The main thread looks up from its wait every 50 ms, for signals. All firings begin and end in a handler, where
        # the wait is not: it has to find out afterwards.
        import signal

        with detent.Service() as service:
            series = service.timer(lambda: None)

            def fire(*_):
                fired = service.counters()["fired"]
                series.arm_every(3600, first=0)
                while service.counters()["fired"] == fired or series.state is not State.PENDING:
                    time.sleep(0.001)

            before = signal.signal(signal.SIGUSR1, fire)
            self.addCleanup(signal.signal, signal.SIGUSR1, before)
            main, over = threading.get_ident(), threading.Event()

            def interrupt():
                while not over.wait(0.1):
                    signal.pthread_kill(main, signal.SIGUSR1)

            series.arm_every(3600)
            by_id = detent.Scheduled(service._core, print, ())
            by_id._id = series.id
            interrupts = threading.Thread(target=interrupt)
            interrupts.start()
            try:
                answers = [series.wait(15), by_id.wait(15)]
            finally:
                over.set()
                interrupts.join()
            self.assertEqual(answers, [WaitResult.QUIET, WaitResult.QUIET])

    def test_a_loop_of_the_users(self):
        import select

        service, calls = detent.Service(by_user=True), []
        service.every(0.002, calls.append, 1)
        while len(calls) < 5:
            left = max(0.0, (service.next_deadline_ns() - time.monotonic_ns()) / 1e9)
            select.select([service], [], [], left)
            service.run_due()
        service.shutdown()


if __name__ == "__main__":
    unittest.main()
