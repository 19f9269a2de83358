"""fork, and the end of the interpreter: each case is a program of its own."""

import os
import subprocess
import sys
import textwrap
import unittest


def run(program, timeout=60):
    return subprocess.run(
        [sys.executable, "-B", "-X", "faulthandler", "-c", textwrap.dedent(program)],
        capture_output=True, text=True, timeout=timeout, env=dict(os.environ))


class Process(unittest.TestCase):
    def expect(self, program, out, err=""):
        result = run(program)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, out, err))

    # --- The end of the interpreter.

    def test_the_end_waits_for_timers_that_are_not_daemons(self):
        for timer in ("threading.Timer", "detent.Timer"):
            result = run(f"""
                import threading, detent
                {timer}(0.05, print, ["fired"]).start()
                {timer}(0.0, lambda: {timer}(0.03, print, ["of a timer"]).start()).start()
                print("end of main", flush=True)
                """)
            # Their order is the machine's.
            self.assertEqual(sorted(result.stdout.splitlines()), ["end of main", "fired", "of a timer"])
            self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_the_end_does_not_wait_for_daemons_ids_and_handles(self):
        self.expect("""
            import detent
            timer = detent.Timer(3600, print, ["never"])
            timer.daemon = True
            timer.start()
            detent.after(3600, print, "never")
            tick = detent.every(3600, print, "never")
            service = detent.Service()
            handle = service.timer(print, "never")
            handle.arm_after(3600)
            """, "")

    def test_what_is_queued_at_the_end_is_dropped_and_counted(self):
        # The call in progress lasts until the end has begun.
        self.expect("""
            import atexit, time
            atexit.register(lambda: print("dropped", dropped_calls()))    # registered first, runs last
            import detent, threading
            from detent import dropped_calls
            service = detent.Service(threads=1)
            inside, ending = threading.Event(), threading.Event()
            service.after(0, lambda: (inside.set(), ending.wait()))
            inside.wait()
            for _ in range(3):
                service.after(0, print, "never")
            while sum(info["state"] == detent.State.QUEUED for info in service.snapshot()) < 3:
                time.sleep(0.001)
            import detent._timer
            before = detent._timer.end_core
            def end_core(core, timeout):
                ending.set()
                return before(core, timeout)
            detent._timer.end_core = end_core
            """, "dropped 3\n")

    def test_a_service_whose_wrapper_is_gone_is_waited_for(self):
        self.expect("""
            import detent, threading, time
            def begin():
                service, begun = detent.Service(), threading.Event()
                tick = service.every(3600, lambda: (begun.set(), time.sleep(0.3), print("finished", flush=True)), first=0)
                begun.wait()
                return tick
            tick = begin()
            """, "finished\n")

    def test_the_limit_of_the_end_is_shared(self):
        # Each service has a call that lasts; all hear of the end before the first is waited for.
        result = run("""
            import atexit, time
            atexit.register(lambda: print(time.monotonic() - begun, heard.count(True)))
            import detent, detent._timer, threading
            detent._timer.exit_limit = 2.0
            heard, inside, never = [], [], threading.Event()
            def last(is_deaf):
                firing = detent.firing()
                inside.append(1)
                while is_deaf:
                    never.wait()
                while not firing.stop_requested():
                    time.sleep(0.01)
                heard.append(True)
            services = [detent.Service() for _ in range(20)]
            for i, service in enumerate(services):
                service.after(0, last, i % 2 == 0)
            while len(inside) < 20:
                time.sleep(0.01)
            begun = time.monotonic()
            """)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        took, heard = result.stdout.split()
        self.assertLess(float(took), 15.0)  # ten deaf ones, each for itself, are 20 seconds
        self.assertGreaterEqual(float(took), 2.0)
        self.assertEqual(heard, "10")

    def test_a_shutdown_that_raises_skips_no_other_at_the_end(self):
        result = run("""
            import atexit
            atexit.register(lambda: print("ended", ended.count(True), "dropped", detent.dropped_calls()))
            import detent, detent._timer, threading, time
            ended, services = [], [detent.Service() for _ in range(4)]
            pending = [service.after(3600, print) for service in services]
            before = detent._timer.end_core
            def end_core(core, timeout):
                if core is services[1]._core:
                    raise MemoryError("planted")
                ended.append(True)
                return before(core, timeout)
            detent._timer.end_core = end_core
            """)
        self.assertEqual(result.returncode, 0)
        self.assertIn("MemoryError: planted", result.stderr)
        self.assertEqual(result.stdout, "ended 6 dropped 3\n")

    def test_what_the_program_has_withdrawn_is_not_counted_at_the_end(self):
        self.expect("""
            import atexit
            atexit.register(lambda: print("dropped", detent.dropped_calls()))
            import detent
            service = detent.Service()
            pending = [service.after(3600, print) for _ in range(3)]
            service.shutdown()
            other = detent.Service()
            other.after(3600, print)
            """, "dropped 1\n")

    def test_a_call_that_never_ends_does_not_keep_the_process(self):
        self.expect("""
            import time, detent, threading
            import detent._timer
            detent._timer.exit_limit = 0.05
            inside = threading.Event()
            timer = detent.Timer(0, lambda: (inside.set(), time.sleep(20), print("never")))
            timer.daemon = True
            timer.start()
            inside.wait()
            print("end of main")
            """, "end of main\n")

    def test_a_call_that_python_ends_is_held_in_its_thread(self):
        # The thread wants the GIL again while the interpreter is going: CPython unwinds it, and we hold it.
        self.expect("""
            import time, detent, threading, atexit
            import detent._timer
            detent._timer.exit_limit = 0.0
            def spin():
                while True:
                    time.sleep(0.0001)
            for _ in range(4):
                timer = detent.Timer(0, spin)
                timer.daemon = True
                timer.start()
            time.sleep(0.05)
            class Slow:
                def __del__(self):
                    pass
            keep = [Slow() for _ in range(200000)]   # the end takes a while
            """, "")

    def test_ctrl_c_at_the_end(self):
        result = run("""
            import _thread, threading, time, detent, signal
            detent.Timer(3600, print, ["never"]).start()
            threading.Thread(target=lambda: (time.sleep(0.3),
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)), daemon=True).start()
            """)
        self.assertIn("KeyboardInterrupt", result.stderr)
        self.assertEqual(result.stdout, "")

    def test_it_may_be_imported_and_never_used(self):
        self.expect("import detent, detent.aio", "")

    # --- The GIL. A deadlock on it stops every thread of Python, so these are programs of their own too.

    def test_a_handle_dropped_while_its_captures_are_destroyed(self):
        # The captures let the GIL go when they die: the thread that drops the handle meanwhile has it, and must not
        # wait for the thread that destroys them.
        self.expect("""
            import threading, detent
            class Slow:
                def __del__(self):
                    dying.set()
                    dropped.wait(20)
                    print("dropped" if dropped.is_set() else "too late", flush=True)
            dying, dropped, began, go = (threading.Event() for _ in range(4))
            service = detent.Service()
            handle = service.timer(lambda slow: (began.set(), go.wait()), Slow())
            handle.arm_after(0)
            began.wait()
            handle.close()
            go.set()
            dying.wait()
            del handle
            dropped.set()
            service.shutdown()
            """, "dropped\n")

    def test_a_handle_dropped_while_what_its_thread_kept_is_destroyed(self):
        # What a callback put into a threading.local dies after the call and the captures, in the same call of the core.
        self.expect("""
            import threading, detent
            class Slow:
                def __del__(self):
                    dying.set()
                    dropped.wait(20)
                    print("dropped" if dropped.is_set() else "too late", flush=True)
            class Captured:
                def __del__(self):
                    local.slow = Slow()
            local = threading.local()
            dying, dropped, began, go = (threading.Event() for _ in range(4))
            service = detent.Service()
            handle = service.timer(lambda captured: (began.set(), go.wait()), Captured())
            handle.arm_after(0)
            began.wait()
            handle.close()
            go.set()
            dying.wait()
            del handle
            dropped.set()
            service.shutdown()
            """, "dropped\n")

    def test_the_default_service_is_dropped_outside_of_its_lock(self):
        self.expect("""
            import threading, detent
            inside, go = threading.Event(), threading.Event()
            def last():
                inside.set()
                go.wait()
                detent.use_service(detent.Service())
                print("changed again", flush=True)
            service = detent.Service()
            handle = service.timer(last)
            handle.arm_after(0)
            inside.wait()
            detent.use_service(service)
            del handle, service
            threading.Timer(0.3, go.set).start()
            detent.use_service(detent.Service())     # ends the one before, which waits for its call
            """, "changed again\n")

    # --- fork.

    def test_a_child_has_no_timer_of_its_parent(self):
        self.expect("""
            import os, time, threading, detent
            timer = detent.Timer(3600, print, ["never"])
            timer.start()
            tick = detent.every(0.001, lambda: None)
            handle = detent.default_service().timer(print)
            handle.arm_after(3600)
            time.sleep(0.02)
            child = os.fork()
            if child == 0:
                assert not timer.is_alive()
                timer.join()
                assert timer.cancel() in (detent.CancelResult.SHUT_DOWN, detent.CancelResult.CLOSED)
                assert handle.arm_after(1) is detent.ArmResult.SHUT_DOWN
                assert handle.wait() is detent.WaitResult.QUIET
                assert tick.cancel() in (detent.CancelResult.SHUT_DOWN, detent.CancelResult.CLOSED)
                done = threading.Event()
                detent.Timer(0.01, done.set).start()     # a service of its own
                assert done.wait(30)
                detent.Timer(0.01, print, ["child"], {"flush": True}).start()
                raise SystemExit(0)
            assert os.waitpid(child, 0)[1] == 0
            assert timer.is_alive()
            assert timer.cancel() is detent.CancelResult.CANCELLED
            print("parent")
            """, "child\nparent\n")

    def test_many_forks_under_load(self):
        self.expect("""
            import os, time, detent
            tick = detent.every(0.0005, lambda: None)
            for _ in range(20):
                child = os.fork()
                if child == 0:
                    timer = detent.Timer(0.001, lambda: None)
                    timer.start()
                    timer.join()
                    os._exit(7)
                assert os.waitpid(child, 0)[1] == 7 << 8
            assert tick.state in (detent.State.PENDING, detent.State.QUEUED, detent.State.RUNNING)
            """, "")

    def test_a_subprocess_may_be_started_in_a_callback(self):
        self.expect("""
            import subprocess, sys, detent
            said = []
            timer = detent.Timer(0, lambda: said.append(subprocess.check_output(["echo", "hi"])))
            timer.start()
            timer.join()
            print(said)
            """, "[b'hi\\n']\n")


if __name__ == "__main__":
    unittest.main()
