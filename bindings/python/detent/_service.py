"""Services, and the timers in them: by id (`Scheduled`), by handle (`Handle`), in groups.

Delays and limits are seconds, as numbers, or `datetime.timedelta`; a limit of None is none. What may block is `wait`,
names with `_and_wait`, `shutdown`, and leaving a `with` block; it releases the GIL, and Ctrl-C ends it in the main
thread (`cancel_and_wait` and `shutdown` excepted: a limit ends those). An exception in a callback goes to `sys.unraisablehook`, and a series goes on.
"""

from __future__ import annotations

import enum
import math
import threading
import weakref
from datetime import timedelta
from typing import Any, Callable, NamedTuple, Optional, Union

from . import _detent

Seconds = Union[int, float, timedelta]

NEVER_NS = 2**63 - 1


class ArmResult(enum.IntEnum):
    ARMED = 0
    REARMED = 1
    CLOSED = 2
    SHUT_DOWN = 3
    REFUSED = 4


class CancelResult(enum.IntEnum):
    """Only CANCELLED and IDLE say that the callback is not running now."""

    CANCELLED = 0
    CANCELLED_RUNNING = 1
    RUNNING = 2
    IDLE = 3
    CLOSED = 4
    SHUT_DOWN = 5


class WaitResult(enum.IntEnum):
    QUIET = 0
    FROM_CALLBACK = 1
    WOULD_DEADLOCK = 2
    TIMED_OUT = 3


class StopResult(enum.IntEnum):
    ASKED = 0
    IDLE = 1


class State(enum.IntEnum):
    IDLE = 0
    PENDING = 1
    QUEUED = 2
    RUNNING = 3
    CLOSED = 4
    SHUT_DOWN = 5


class Clock(enum.IntEnum):
    STEADY = 0
    BOOTTIME = 1
    SYSTEM = 2


class MissedTicks(enum.IntEnum):
    SKIP = 0
    BURST = 1
    DELAY = 2


class Pace(enum.IntEnum):
    FIXED_RATE = 0
    FIXED_DELAY = 1


class ShutdownPolicy(enum.IntEnum):
    CANCEL_PENDING = 0
    RUN_DUE = 1


class Answer(NamedTuple):
    outcome: CancelResult
    wait: WaitResult


class ShutdownReport(NamedTuple):
    complete: bool
    fired: int
    cancelled: int
    dropped: int
    still_running: list[str]


def to_ns(seconds: Seconds) -> int:
    """Nanoseconds, rounded up and kept within 64 bits; infinity is never."""
    if isinstance(seconds, timedelta):
        ns = ((seconds.days * 86400 + seconds.seconds) * 10**6 + seconds.microseconds) * 1000
    elif isinstance(seconds, int):
        ns = seconds * 10**9
    elif seconds != seconds:
        raise ValueError("not a number of seconds")
    elif seconds >= 9.2e9:
        ns = NEVER_NS
    elif seconds <= -9.2e9:
        ns = -NEVER_NS
    else:
        ns = math.ceil(seconds * 1e9)
    return min(max(ns, -NEVER_NS), NEVER_NS)


def limit_ns(timeout: Optional[Seconds]) -> int:
    return NEVER_NS if timeout is None else to_ns(timeout)


class _Call:
    """A function and its arguments, as the extension calls them."""

    __slots__ = ("function", "args")

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if not callable(function):
            raise TypeError(f"{function!r} is not callable")
        self.function = function
        self.args = args

    def _fire(self) -> None:
        self.function(*self.args)

    def _over(self) -> None:
        pass


class Scheduled(_Call):
    """A timer that only its id names: it ends by itself when nothing is pending any more, and nobody has to keep it."""

    __slots__ = ("_core", "_id", "__weakref__")

    def __init__(self, core: _detent.Service, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        super().__init__(function, args)
        self._core = core
        self._id = 0

    @property
    def id(self) -> int:
        return self._id

    @property
    def state(self) -> State:
        return State(self._core.status(self._id))

    def arm_after(self, delay: Seconds) -> ArmResult:
        return ArmResult(self._core.arm_after(self._id, to_ns(delay)))

    def cancel(self) -> CancelResult:
        """Withdraws what is pending, and with that ends the timer. Exact, and never blocks."""
        return CancelResult(self._core.cancel(self._id))

    def close(self) -> CancelResult:
        return CancelResult(self._core.close(self._id))

    def cancel_and_wait(self, timeout: Optional[Seconds] = None) -> Answer:
        outcome, wait = self._core.cancel_and_wait(self._id, limit_ns(timeout))
        return Answer(CancelResult(outcome), WaitResult(wait))

    def close_and_wait(self, timeout: Optional[Seconds] = None) -> Answer:
        outcome, wait = self._core.close_and_wait(self._id, limit_ns(timeout))
        return Answer(CancelResult(outcome), WaitResult(wait))

    def close_then(self, function: Callable[..., Any], *args: Any) -> None:
        """Closes without waiting; `function` runs once, after the last call has returned."""
        self._core.close_then(self._id, _Call(function, args))

    def stop(self) -> StopResult:
        """Asks the call in progress to end early: `detent.firing().stop_requested()`."""
        return StopResult(self._core.stop(self._id))

    def wait(self, timeout: Optional[Seconds] = None) -> WaitResult:
        return WaitResult(self._core.wait(self._id, limit_ns(timeout)))


class Handle:
    """Owns a timer: made quiet, armed any number of times. As `with` block it closes and waits.

    A handle that is dropped closes its timer and does not wait, also when the collector finds it in a cycle.
    """

    __slots__ = ("_core", "__weakref__")

    def __init__(self, core: _detent.Handle) -> None:
        self._core = core

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_and_wait()

    @property
    def id(self) -> int:
        return self._core.id()

    @property
    def state(self) -> State:
        return State(self._core.status())

    def arm_after(self, delay: Seconds) -> ArmResult:
        return ArmResult(self._core.arm_after(to_ns(delay)))

    def arm_at(self, at: Seconds) -> ArmResult:
        """At an instant of the timer's clock, in seconds since its epoch (`time.time()` for the system clock)."""
        return ArmResult(self._core.arm_at(to_ns(at)))

    def arm_every(
        self,
        period: Seconds,
        *,
        first: Optional[Seconds] = None,
        pace: Pace = Pace.FIXED_RATE,
        missed: MissedTicks = MissedTicks.SKIP,
    ) -> ArmResult:
        return ArmResult(self._core.arm_every(0, to_ns(period), _first_ns(first), pace, missed))

    def cancel(self) -> CancelResult:
        return CancelResult(self._core.cancel())

    def close(self) -> CancelResult:
        return CancelResult(self._core.close())

    def cancel_and_wait(self, timeout: Optional[Seconds] = None) -> Answer:
        outcome, wait = self._core.cancel_and_wait(limit_ns(timeout))
        return Answer(CancelResult(outcome), WaitResult(wait))

    def close_and_wait(self, timeout: Optional[Seconds] = None) -> Answer:
        outcome, wait = self._core.close_and_wait(limit_ns(timeout))
        return Answer(CancelResult(outcome), WaitResult(wait))

    def close_then(self, function: Callable[..., Any], *args: Any) -> None:
        self._core.close_then(_Call(function, args))

    def stop(self) -> StopResult:
        return StopResult(self._core.stop())

    def wait(self, timeout: Optional[Seconds] = None) -> WaitResult:
        return WaitResult(self._core.wait(limit_ns(timeout)))


def _first_ns(first: Optional[Seconds]) -> int:
    return -1 if first is None else max(0, to_ns(first))


class _Home:
    """Where handles and groups are made: a service, or a group."""

    __slots__ = ()
    _core: Any

    def timer(
        self,
        function: Callable[..., Any],
        *args: Any,
        name: str = "",
        clock: Clock = Clock.STEADY,
        tolerance: Seconds = 0,
        end_on_error: bool = False,
    ) -> Handle:
        """A timer with a handle, quiet so far. `end_on_error` lets an exception end a series."""
        call = _Call(function, args)
        return Handle(_detent.Handle(self._core, call, name, to_ns(tolerance), int(end_on_error), clock))

    def group(self, name: str = "", *, serial: bool = False) -> Group:
        return Group(_detent.Group(self._core, name, int(serial)))


class Group(_Home):
    """Owns timers and makes all of them quiet together. As `with` block it closes and waits."""

    __slots__ = ("_core", "__weakref__")

    def __init__(self, core: _detent.Group) -> None:
        self._core = core

    def __enter__(self) -> Group:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_and_wait()

    def __len__(self) -> int:
        return int(self._core.size())

    def __bool__(self) -> bool:
        return True

    def cancel(self) -> int:
        return int(self._core.cancel())

    def close(self) -> int:
        return int(self._core.close())

    def stop(self) -> int:
        return int(self._core.stop())

    def cancel_and_wait(self, timeout: Optional[Seconds] = None) -> WaitResult:
        return WaitResult(self._core.cancel_and_wait(limit_ns(timeout)))

    def close_and_wait(self, timeout: Optional[Seconds] = None) -> WaitResult:
        return WaitResult(self._core.close_and_wait(limit_ns(timeout)))

    def wait(self, timeout: Optional[Seconds] = None) -> WaitResult:
        return WaitResult(self._core.wait(limit_ns(timeout)))


class ManualClock:
    """Moves only when told, and runs the callbacks of its services while it moves."""

    __slots__ = ("_core",)

    def __init__(self, start: Seconds = 3600) -> None:
        self._core = _detent.Clock(to_ns(start))

    def now_ns(self, clock: Clock = Clock.STEADY) -> int:
        return self._core.now_ns(clock)

    def advance(self, by: Seconds) -> int:
        return self._core.advance(to_ns(by))

    def step(self) -> int:
        return self._core.step()

    def suspend(self, by: Seconds) -> int:
        return self._core.suspend(to_ns(by))

    def step_system(self, by: Seconds) -> int:
        return self._core.step_system(to_ns(by))


class Service(_Home):
    """A driver and `threads` threads that run callbacks; 0: the driver runs them. As `with` block it shuts down.

    On a manual clock, and with `by_user`, there are no threads: the clock's moves or `run_due` run the callbacks.
    """

    __slots__ = ("_core", "__weakref__")
    _core: _detent.Service

    def __init__(
        self,
        name: str = "detent",
        *,
        threads: int = 2,
        by_user: bool = False,
        clock: Optional[ManualClock] = None,
    ) -> None:
        inline = threads == 0 or by_user or clock is not None
        self._core = _detent.Service(
            name, int(by_user), 0, int(inline), 0 if inline else threads, None if clock is None else clock._core
        )
        _cores.add(self._core)

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    def after(self, delay: Seconds, function: Callable[..., Any], *args: Any, name: Optional[str] = None) -> Scheduled:
        """Calls `function(*args)` once after `delay`."""
        made = Scheduled(self._core, function, args)
        made._id = self._core.once(to_ns(delay), made, name)
        return made

    def every(
        self,
        period: Seconds,
        function: Callable[..., Any],
        *args: Any,
        first: Optional[Seconds] = None,
        pace: Pace = Pace.FIXED_RATE,
        missed: MissedTicks = MissedTicks.SKIP,
        end_on_error: bool = False,
        name: Optional[str] = None,
    ) -> Scheduled:
        """Calls `function(*args)` every `period` until it is cancelled or closed; the first time after `first`."""
        made = Scheduled(self._core, function, args)
        made._id = self._core.every(
            to_ns(period), made, _first_ns(first), pace, missed, int(end_on_error), name
        )
        return made

    def shutdown(
        self, policy: ShutdownPolicy = ShutdownPolicy.CANCEL_PENDING, timeout: Optional[Seconds] = None
    ) -> ShutdownReport:
        _shut_down.add(self._core)
        return ShutdownReport(*self._core.shutdown(policy, limit_ns(timeout)))

    def cancel_all(self) -> int:
        return self._core.cancel_all()

    def run_due(self) -> int:
        """Works off what is due, in a service driven by the user; 0 inside a callback."""
        return self._core.run_due()[1]

    def next_deadline_ns(self) -> int:
        """On `time.monotonic_ns()`; 2**63 - 1 when nothing is pending."""
        return self._core.next_deadline_ns()

    def fileno(self) -> int:
        """Readable when `run_due` should be called; poll it, do not read it. -1 when there is none."""
        return self._core.fileno()

    def now_ns(self, clock: Clock = Clock.STEADY) -> int:
        return self._core.now_ns(clock)

    def counters(self) -> dict[str, int]:
        return self._core.counters()

    def snapshot(self) -> list[dict[str, Any]]:
        return self._core.snapshot()


# What lives of a service is its core: ids and handles keep it, also when nobody keeps the wrapper.
_cores: "weakref.WeakSet[_detent.Service]" = weakref.WeakSet()
_shut_down: "weakref.WeakSet[_detent.Service]" = weakref.WeakSet()  # by the program: what is withdrawn is its affair


def live_cores() -> list[_detent.Service]:
    while True:
        try:
            return list(_cores)
        except RuntimeError:  # Another thread has made a service meanwhile.
            pass


def end_core(core: _detent.Service, timeout: Seconds) -> int:
    """Shuts down at the end of the interpreter; answers the firings that nobody but the end has withdrawn."""
    withdrawn = ShutdownReport(*core.shutdown(ShutdownPolicy.CANCEL_PENDING, limit_ns(timeout))).cancelled
    if core in _shut_down:
        return 0
    _shut_down.add(core)
    return withdrawn


_default: Optional[Service] = None
_default_lock = threading.Lock()


def default_service() -> Service:
    """The service of `Timer`, `after` and `every`: made on first use, in each process its own."""
    global _default
    service = _default
    if service is None:
        made = Service(threads=4)  # Outside of the lock, as is its end if another thread was faster.
        with _default_lock:
            if _default is None:
                _default = made
            service = _default
    return service


def use_service(service: Service) -> None:
    """From now on `Timer`, `after` and `every` use `service`; what is pending stays where it is."""
    global _default
    with _default_lock:
        before, _default = _default, service
    del before  # Perhaps the last reference, whose end waits for callbacks: not under the lock.


def after(delay: Seconds, function: Callable[..., Any], *args: Any, name: Optional[str] = None) -> Scheduled:
    return default_service().after(delay, function, *args, name=name)


def every(
    period: Seconds,
    function: Callable[..., Any],
    *args: Any,
    first: Optional[Seconds] = None,
    pace: Pace = Pace.FIXED_RATE,
    missed: MissedTicks = MissedTicks.SKIP,
    end_on_error: bool = False,
    name: Optional[str] = None,
) -> Scheduled:
    return default_service().every(
        period, function, *args, first=first, pace=pace, missed=missed, end_on_error=end_on_error, name=name
    )


def forget_parent() -> None:
    """In a fork child: the parent's services are not here."""
    global _default, _default_lock
    _default = None
    _default_lock = threading.Lock()
