"""Detent in an asyncio loop: a service that the loop drives. No thread; callbacks run in the loop.

    async with detent.aio.Service() as service:
        await service.sleep(0.5)
        async for tick in service.ticks(1.0): ...
        service.after(2, f)
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, AsyncIterator, Callable, NamedTuple, Optional

from . import _service
from ._detent import firing
from ._service import (
    NEVER_NS,
    ArmResult,
    Handle,
    MissedTicks,
    Pace,
    Scheduled,
    Seconds,
    ShutdownPolicy,
    ShutdownReport,
)


class Tick(NamedTuple):
    deadline_ns: int
    missed: int  # ticks that this one stands for besides its own


class Service(_service.Service):
    """A service whose driver is the running loop. Arming from other threads is legal and wakes the loop."""

    __slots__ = ("_loop", "_turn_handle", "_awaited", "_is_closed")

    def __init__(self, name: str = "detent", loop: Optional[asyncio.AbstractEventLoop] = None) -> None:
        super().__init__(name, by_user=True)
        self._loop = asyncio.get_running_loop() if loop is None else loop
        self._turn_handle: Optional[asyncio.TimerHandle] = None
        self._awaited: set[asyncio.Future[Any]] = set()  # whoever sleeps; touched in the loop only
        self._is_closed = False
        self._loop.add_reader(self.fileno(), self._turn)
        self._look_ahead()

    async def __aenter__(self) -> Service:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Withdraws what is pending and leaves the loop. Whoever sleeps, or waits for a tick, is cancelled."""
        if self._turn_handle is not None:
            self._turn_handle.cancel()
            self._turn_handle = None
        if self.fileno() >= 0:
            self._loop.remove_reader(self.fileno())
        self.shutdown(timeout=0)

    def shutdown(
        self, policy: ShutdownPolicy = ShutdownPolicy.CANCEL_PENDING, timeout: Optional[Seconds] = None
    ) -> ShutdownReport:
        report = super().shutdown(policy, timeout)
        self._is_closed = True
        if self._is_inside():
            self._cancel_awaited()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cancel_awaited)
        return report

    async def sleep(self, delay: Seconds, result: Any = None) -> Any:
        future = self._loop.create_future()
        timer = self.timer(_wake, future, result)
        try:
            self._armed(timer.arm_after(delay))
            return await self._slept(future)
        finally:
            timer.close()

    async def ticks(
        self, period: Seconds, *, first: Optional[Seconds] = None, missed: MissedTicks = MissedTicks.SKIP
    ) -> AsyncIterator[Tick]:
        """One item each `period`. A slow consumer finds one item that counts what it missed: ticks never pile up."""
        waiting: list[asyncio.Future[None]] = []
        last: list[Tick] = []

        def tick() -> None:
            now = firing()
            assert now is not None
            unseen = last.pop().missed + 1 if last else 0
            last.append(Tick(now.deadline_ns, now.missed + unseen))
            while waiting:
                _wake(waiting.pop(), None)

        timer = self.timer(tick)
        try:
            self._armed(timer.arm_every(period, first=first, missed=missed))
            while True:
                if not last:
                    waiting.append(self._loop.create_future())
                    await self._slept(waiting[-1])
                yield last.pop()
        finally:
            timer.close()

    def after(self, delay: Seconds, function: Callable[..., Any], *args: Any, name: Optional[str] = None) -> Scheduled:
        made = super().after(delay, function, *args, name=name)
        self._look_ahead_from_anywhere()
        return made

    def every(self, period: Seconds, function: Callable[..., Any], *args: Any, **options: Any) -> Scheduled:
        made = super().every(period, function, *args, **options)
        self._look_ahead_from_anywhere()
        return made

    async def _slept(self, future: "asyncio.Future[Any]") -> Any:
        """Waits for what a timer resolves; the end of the service cancels it."""
        if self._is_closed:
            raise asyncio.CancelledError("the service is closed")
        self._awaited.add(future)
        try:
            return await future
        finally:
            self._awaited.discard(future)

    def _cancel_awaited(self) -> None:
        for future in list(self._awaited):
            future.cancel()

    # --- Driving. -----------------------------------------------------------------------------------------------------

    def _armed(self, result: ArmResult) -> None:
        if result not in (ArmResult.ARMED, ArmResult.REARMED):
            raise asyncio.CancelledError("the service is closed")
        self._look_ahead()

    def _turn(self) -> None:
        self.run_due()
        self._look_ahead()

    def _look_ahead(self) -> None:
        """Asks the loop to come back at the next deadline; an earlier arming makes the descriptor readable."""
        at_ns = self.next_deadline_ns()
        if self._turn_handle is not None:
            self._turn_handle.cancel()
            self._turn_handle = None
        if at_ns != NEVER_NS:
            delay_ns = max(0, at_ns - time.monotonic_ns())
            self._turn_handle = self._loop.call_later(delay_ns / 1e9, self._turn)

    def _look_ahead_from_anywhere(self) -> None:
        if self._is_inside():
            self._look_ahead()

    def _is_inside(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False


def _wake(future: "asyncio.Future[Any]", result: Any) -> None:
    if not future.done():
        future.set_result(result)


__all__ = ["Handle", "Pace", "Service", "Tick"]
