"""What docs/porting/python.md quotes, run: each piece before and after."""

import asyncio
import threading
import time
import unittest

import detent
import detent.aio


class Session:
    """Closed when nobody has spoken for a while."""

    # [idle_before]
    def __init__(self, idle_s):
        self.idle_s, self.is_open, self.timer = idle_s, True, None
        self.touch()

    def touch(self):
        if self.timer is not None:
            self.timer.cancel()  # perhaps it runs already: nobody knows
        self.timer = threading.Timer(self.idle_s, self.expire)  # a thread for each word spoken
        self.timer.start()

    # [/idle_before]

    def expire(self):
        self.is_open = False


class DetentSession:
    # [idle_after]
    def __init__(self, service, idle_s):
        self.idle_s, self.is_open = idle_s, True
        self.timer = service.timer(self.expire)
        self.touch()

    def touch(self):
        self.timer.arm_after(self.idle_s)  # replaces: no thread, no allocation

    def end(self):
        self.timer.close_and_wait()  # from here on `expire` does not run, and never will

    # [/idle_after]

    def expire(self):
        self.is_open = False


class Porting(unittest.TestCase):
    def wait_for(self, condition):
        deadline = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.001)

    def test_the_drop_in(self):
        print_later, heard = [], threading.Event()
        # [drop_in]
        from detent import Timer  # was: from threading import Timer

        timer = Timer(0.01, print_later.append, ["tea is ready"])
        timer.start()
        timer.join()
        # [/drop_in]
        self.assertEqual(print_later, ["tea is ready"])
        self.assertFalse(heard.is_set())

    def test_an_idle_timeout(self):
        old = Session(0.01)
        self.wait_for(lambda: not old.is_open)
        with detent.Service() as service:
            session = DetentSession(service, 0.01)
            self.wait_for(lambda: not session.is_open)
            session.end()

    def test_a_repeating_timer(self):
        poll = [].append

        def repeating_before():
            # [repeating_before]
            class Repeating(threading.Timer):
                def run(self):
                    while not self.finished.wait(self.interval):  # drifts by the length of each call
                        self.function(*self.args, **self.kwargs)

            timer = Repeating(0.01, poll, [1])
            timer.start()
            # [/repeating_before]
            timer.cancel()
            timer.join()

        repeating_before()
        # [repeating_after]
        tick = detent.every(0.01, poll, 1)
        # [/repeating_after]
        self.assertEqual(tick.close_and_wait().wait, detent.WaitResult.QUIET)

    def test_what_cancel_found(self):
        refunds, timer = [], detent.Timer(3600, print)
        timer.start()
        # [cancel]
        match timer.cancel():
            case detent.CancelResult.CANCELLED:
                refunds.append("withdrawn: it has not run, and will not")
            case detent.CancelResult.RUNNING:
                timer.join()  # the call is in progress
            case detent.CancelResult.CLOSED:
                pass  # it has run, or was cancelled before
        # [/cancel]
        self.assertEqual(len(refunds), 1)

    def test_without_waiting_for_real_time(self):
        # [manual]
        clock = detent.ManualClock()
        service = detent.Service(clock=clock)
        session = DetentSession(service, idle_s=3600)
        clock.advance(3599)
        assert session.is_open
        clock.advance(1)  # runs what is due, here and now
        assert not session.is_open
        # [/manual]

    def test_in_a_loop(self):
        # [aio]
        async def main():
            async with detent.aio.Service() as service:
                await service.sleep(0.01)
                async for tick in service.ticks(0.01):
                    return tick.missed  # ticks that this one stands for besides its own

        # [/aio]
        self.assertIsInstance(asyncio.run(main()), int)


if __name__ == "__main__":
    unittest.main()
