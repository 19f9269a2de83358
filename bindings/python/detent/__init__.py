"""Timers that cost no thread, and say what they did.

    detent.Timer(30, f).start()         as threading.Timer, 10**5 of them if need be
    detent.after(0.5, f, x)             f(x) in half a second, on a thread of the default service
    tick = detent.every(1.0, f)         until tick.close()
    with detent.Service() as service:   threads of its own; service.timer, service.group, service.after, ...

Callbacks run with the GIL, on the threads of a service; `detent.firing()` tells one about its own call. What the words
promise is said in docs/guarantees.md, what a move from `threading.Timer` changes in docs/porting/python.md.
"""

from ._detent import Firing, firing
from ._service import (
    Answer,
    ArmResult,
    CancelResult,
    Clock,
    Group,
    Handle,
    ManualClock,
    MissedTicks,
    Pace,
    Scheduled,
    Service,
    ShutdownPolicy,
    ShutdownReport,
    State,
    StopResult,
    WaitResult,
    after,
    default_service,
    every,
    use_service,
)
from ._timer import Timer, dropped_calls

__all__ = [
    "Answer",
    "ArmResult",
    "CancelResult",
    "Clock",
    "Firing",
    "Group",
    "Handle",
    "ManualClock",
    "MissedTicks",
    "Pace",
    "Scheduled",
    "Service",
    "ShutdownPolicy",
    "ShutdownReport",
    "State",
    "StopResult",
    "Timer",
    "WaitResult",
    "after",
    "default_service",
    "dropped_calls",
    "every",
    "firing",
    "use_service",
]
