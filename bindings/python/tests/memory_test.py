"""10**5 pending timers under 60 MB and without threads of their own, with threading.Timer beside them in the same run."""

import gc
import os
import threading
import unittest

import detent

COUNT = 100_000
LIMIT_MB = 60
BESIDE = 500  # threads of threading.Timer, measured and multiplied


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def threads():
    return len(os.listdir("/proc/self/task"))


def nothing():
    pass


class Memory(unittest.TestCase):
    def test_a_hundred_thousand_timers(self):
        detent.Timer(0, nothing).start()  # the service and its threads
        warm = detent.Timer(3600, nothing)
        warm.daemon = True
        warm.start()
        gc.collect()
        bytes_before, threads_before = resident_bytes(), threads()
        timers = []
        for _ in range(COUNT):
            timer = detent.Timer(3600, nothing)
            timer.daemon = True
            timer.start()
            timers.append(timer)
        grown = resident_bytes() - bytes_before
        print(f"detent.Timer: {COUNT} pending, {grown / 1e6:.1f} MB, {grown / COUNT:.0f} bytes each, "
              f"{threads() - threads_before} more threads")
        self.assertEqual(threads(), threads_before)
        self.assertLess(grown, LIMIT_MB * 10**6)
        self.assertTrue(all(timer.is_alive() for timer in timers))

        bytes_before, threads_before = resident_bytes(), threads()
        beside = []
        try:
            for _ in range(BESIDE):
                timer = threading.Timer(3600, nothing)
                timer.start()
                beside.append(timer)
        except RuntimeError as error:  # the machine has no more threads
            print(f"threading.Timer: refused after {len(beside)}: {error}")
        each = (resident_bytes() - bytes_before) / max(1, len(beside))
        print(f"threading.Timer: {len(beside)} pending, {each:.0f} bytes each, "
              f"{threads() - threads_before} more threads")
        for timer in beside:
            timer.cancel()
        for timer in beside:
            timer.join()
        self.assertLess(grown / COUNT, each)

        answers = [timer.cancel() for timer in timers]
        self.assertEqual(set(answers), {detent.CancelResult.CANCELLED})
        self.assertFalse(any(timer.is_alive() for timer in timers))
        warm.cancel()
        self.assertEqual(detent.default_service().counters()["alive"], 0)


if __name__ == "__main__":
    unittest.main()
