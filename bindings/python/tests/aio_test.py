"""The asyncio bridge: a service in the loop, without threads."""

import asyncio
import os
import threading
import time
import unittest

import detent.aio


def threads():
    return len(os.listdir("/proc/self/task"))


class Bridge(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.service = detent.aio.Service()
        self.addCleanup(self.service.close)

    async def test_sleep_is_never_early_and_costs_no_thread(self):
        before = threads()
        begun = time.monotonic_ns()
        self.assertEqual(await self.service.sleep(0.01, "slept"), "slept")
        self.assertGreaterEqual(time.monotonic_ns() - begun, 10_000_000)
        self.assertEqual(threads(), before)

    async def test_deadlines_are_kept_in_order(self):
        order, done, now = [], asyncio.Event(), time.monotonic()

        def one(i):
            order.append(i)
            if len(order) == 5:
                done.set()

        timers = [(i, self.service.timer(one, i)) for i in (5, 3, 1, 4, 2)]
        for i, timer in timers:
            timer.arm_at(now + i * 0.003)
        await asyncio.wait_for(done.wait(), 30)
        self.assertEqual(order, [1, 2, 3, 4, 5])

    async def test_many_sleep(self):
        self.assertEqual(await asyncio.gather(*(self.service.sleep(i * 1e-4, i) for i in range(100))), list(range(100)))

    async def test_an_earlier_sleep_wakes_the_loop(self):
        late = asyncio.ensure_future(self.service.sleep(3600))
        await asyncio.sleep(0)
        await asyncio.wait_for(self.service.sleep(0.01), 30)
        late.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await late
        self.assertEqual(self.service.counters()["alive"], 0)

    async def test_callbacks_run_in_the_loop(self):
        seen = asyncio.get_running_loop().create_future()
        self.service.after(0.001, lambda: seen.set_result((threading.get_ident(), asyncio.get_running_loop())))
        self.assertEqual(await asyncio.wait_for(seen, 30), (threading.get_ident(), asyncio.get_running_loop()))

    async def test_arming_on_another_thread_wakes_the_loop(self):
        seen = asyncio.get_running_loop().create_future()
        thread = threading.Thread(target=self.service.after, args=(0.001, seen.set_result, 1))
        thread.start()
        self.assertEqual(await asyncio.wait_for(seen, 30), 1)
        thread.join()

    async def test_a_handle_armed_in_the_loop(self):
        seen = asyncio.get_running_loop().create_future()
        timer = self.service.timer(seen.set_result, 1)
        timer.arm_after(3600)
        timer.arm_after(0.001)
        self.assertEqual(await asyncio.wait_for(seen, 30), 1)

    async def test_ticks_count_what_a_slow_consumer_missed(self):
        ticks, deadlines = 0, []
        async for tick in self.service.ticks(0.002):
            ticks += 1 + tick.missed
            deadlines.append(tick.deadline_ns)
            if len(deadlines) == 2:
                time.sleep(0.02)  # the loop stands still
            if len(deadlines) == 5:
                break
        self.assertGreaterEqual(ticks, 10)
        # Each deadline is a whole number of periods after the first, within the resolution: no drift.
        for deadline in deadlines:
            self.assertLess((deadline - deadlines[0] + 100) % 2_000_000, 200)

    async def test_close_cancels_who_sleeps_later(self):
        service = detent.aio.Service()
        service.close()
        with self.assertRaises(asyncio.CancelledError):
            await service.sleep(1)

    async def test_close_cancels_who_sleeps_already(self):
        service = detent.aio.Service()

        async def tick():
            async for _ in service.ticks(3600):
                pass

        sleepers = [asyncio.ensure_future(each) for each in (service.sleep(3600), service.sleep(float("inf")), tick())]
        await asyncio.sleep(0)
        service.close()
        done, pending = await asyncio.wait(sleepers, timeout=10)
        self.assertEqual((len(done), pending), (3, set()))
        self.assertTrue(all(each.cancelled() for each in done))

    async def test_close_cancels_who_comes_back_for_a_tick(self):
        service, seen = detent.aio.Service(), []

        async def tick():
            async for each in service.ticks(0.001):
                seen.append(each)
                service.close()

        consumer = asyncio.ensure_future(tick())
        done, _ = await asyncio.wait([consumer], timeout=10)
        self.assertEqual(len(done), 1)
        self.assertTrue(consumer.cancelled())
        self.assertGreaterEqual(len(seen), 1)

    async def test_a_shutdown_on_another_thread_cancels_who_sleeps(self):
        service = detent.aio.Service()
        sleeper = asyncio.ensure_future(service.sleep(3600))
        await asyncio.sleep(0)
        await asyncio.get_running_loop().run_in_executor(None, service.shutdown)
        await asyncio.wait([sleeper], timeout=10)
        self.assertTrue(sleeper.cancelled())
        service.close()

    async def test_who_was_woken_before_close_is_not_cancelled(self):
        service = detent.aio.Service()
        sleeper = asyncio.ensure_future(service.sleep(0, "slept"))
        await asyncio.sleep(0)
        while service.counters()["fired"] == 0:
            service.run_due()
        service.close()
        self.assertEqual(await asyncio.wait_for(sleeper, 10), "slept")

    async def test_as_a_block(self):
        async with detent.aio.Service() as service:
            await service.sleep(0.001)
        self.assertEqual(service.timer(print).arm_after(1), detent.ArmResult.SHUT_DOWN)


if __name__ == "__main__":
    unittest.main()
