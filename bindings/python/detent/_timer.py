"""`Timer`: drop-in for `threading.Timer` that costs no thread, and the end of the interpreter."""

from __future__ import annotations

import _thread
import atexit
import itertools
import os
import sys
import threading
import time
from typing import Any, Callable, Iterable, Mapping, Optional

from . import _detent
from ._service import (
    NEVER_NS,
    CancelResult,
    State,
    WaitResult,
    default_service,
    end_core,
    forget_parent,
    live_cores,
    to_ns,
)

_numbers = itertools.count(1)
_era = 0  # counts the forks that this process descends from
_running = threading.local()  # .timer: the Timer whose callback runs on this thread
_exit_gate: Any = None  # the lock that the end of the interpreter waits on

exit_limit = 5.0
"""Seconds that the end of the interpreter waits for calls in progress that are not those of non-daemon Timers: for
those of all services together."""


_withdrawn = 0  # firings that the end of the interpreter has withdrawn


def dropped_calls() -> int:
    """Calls that did not happen because the interpreter ended: still pending, queued, or about to begin."""
    return _detent.dropped_calls() + _withdrawn


def _inherited_daemon() -> bool:
    timer = getattr(_running, "timer", None)
    if timer is not None:
        return bool(timer.daemon)
    return False if _detent.in_callback() else threading.current_thread().daemon


class Timer(threading.Thread):
    """Calls `function(*args, **kwargs)` after `interval` seconds, on a thread of the default service.

    As `threading.Timer`, with these differences: no thread of its own (`ident` is None unless it runs); `cancel` is
    exact and answers a CancelResult; `finished` is set also when the function raised. A subclass that overrides `run`
    gets a thread of its own, as there.
    """

    _args: Any = None
    _kwargs: Any = None
    _own_thread = False
    _id = 0  # of the timer in the service
    _core: Any = None
    _started_era = -1  # the era in which it was started
    _is_over = False
    _is_cancelled = False
    _joiners: Any = None  # a lock, held until it is over
    _runner = 0  # the thread that runs the function
    _finished: Optional[threading.Event] = None
    _name_number: Any = 0

    def __init__(
        self,
        interval: float,
        function: Callable[..., Any],
        args: Optional[Iterable[Any]] = None,
        kwargs: Optional[Mapping[str, Any]] = None,
    ) -> None:
        if type(self).run is not Timer.run:
            super().__init__()
            self._own_thread = True
        else:
            self._timer_daemon = _inherited_daemon()
            self._name_number = next(_numbers)
        self.interval = interval
        self.function = function
        if args is not None:
            self._args = args
        if kwargs is not None:
            self._kwargs = kwargs

    # Most timers never look at these, so they are made when somebody does.

    @property
    def args(self) -> Any:
        if self._args is None:
            self._args = []
        return self._args

    @args.setter
    def args(self, value: Any) -> None:
        self._args = value

    @property
    def kwargs(self) -> Any:
        if self._kwargs is None:
            self._kwargs = {}
        return self._kwargs

    @kwargs.setter
    def kwargs(self, value: Any) -> None:
        self._kwargs = value

    @property
    def finished(self) -> threading.Event:
        """Set once the timer is over or cancelled."""
        made = self._finished
        if made is None:
            # Seen by `_end` and `cancel` first, looked after them then: one of the two sets it.
            made = self.__dict__.setdefault("_finished", threading.Event())
            if self._is_over or self._is_cancelled:
                made.set()
        return made

    # --- The life of a timer. ---------------------------------------------------------------------------------------

    def start(self) -> None:
        if self._own_thread:
            super().start()
            return
        if self._started_era >= 0:
            raise RuntimeError("threads can only be started once")
        delay_ns = to_ns(self.interval)
        if self._is_cancelled or (self._finished is not None and self._finished.is_set()):
            self._started_era = _era
            self._end()
            return
        core = default_service()._core  # If there is none to be had, the timer is not started.
        if self._started_era >= 0:
            raise RuntimeError("threads can only be started once")
        self._started_era = _era
        self._core = core
        if not self._timer_daemon:
            _detent.add_hold(1)
        self._id = core.once(delay_ns, self)
        if self._id == 0:
            raise RuntimeError("can't start a timer: its service is shut down")
        # It may have been cancelled by another thread before it had an id.
        if self._is_cancelled:
            core.cancel(self._id)

    def cancel(self) -> CancelResult:
        """Stops the timer if its call has not begun. Exact: RUNNING means that the call is in progress."""
        self._is_cancelled = True
        if self._own_thread:
            self.finished.set()
            return CancelResult.IDLE
        if self._core is None:
            if self._finished is not None:
                self._finished.set()
            return CancelResult.IDLE
        result = CancelResult(self._core.cancel(self._id))
        if self._finished is not None:
            self._finished.set()
        return result

    def run(self) -> None:
        """What a thread of its own does; here for subclasses that override it and call it."""
        self.finished.wait(self.interval)
        if not self.finished.is_set():
            self.function(*self.args, **self.kwargs)
        self.finished.set()

    # Called by the extension: the firing, and the end of it whatever came.

    def _fire(self) -> bool:
        if self._finished is not None and self._finished.is_set():
            return False
        before = getattr(_running, "timer", None)
        _running.timer = self
        self._runner = _thread.get_ident()
        try:
            self.function(*self.args, **self.kwargs)
        except SystemExit:
            return False
        except BaseException:
            threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), self)))
            return True
        finally:
            self._runner = 0
            _running.timer = before
        return False

    def _over(self) -> None:
        if not self._timer_daemon and self._started_era == _era and _detent.add_hold(-1) <= 0:
            try:
                if _exit_gate is not None:
                    _exit_gate.release()
            except RuntimeError:  # It is open already.
                pass
        self._end()

    def _end(self) -> None:
        self._is_over = True
        if self._finished is not None:
            self._finished.set()
        joiners, self._joiners = self._joiners, None
        if joiners is not None:
            joiners.release()

    # --- What threads can be asked. ---------------------------------------------------------------------------------

    def join(self, timeout: Optional[float] = None) -> None:
        if self._own_thread:
            super().join(timeout)
            return
        if self._started_era < 0:
            raise RuntimeError("cannot join thread before it is started")
        if self._runner == _thread.get_ident():
            raise RuntimeError("cannot join current thread")
        if not self.is_alive():
            return
        if _detent.in_callback():
            self._join_in_callback(timeout)
            return
        lock = self._joiners
        if lock is None:
            # `_end` gives this lock back. It says `_is_over` first, so either it sees the lock, or we see that.
            made = _thread.allocate_lock()
            made.acquire()
            lock = self.__dict__.setdefault("_joiners", made)
            if self._is_over:
                return
        if lock.acquire(True, -1 if timeout is None else max(0.0, float(timeout))):
            lock.release()

    def _join_in_callback(self, timeout: Optional[float]) -> None:
        """There the core knows whether this thread is the one that the other timer needs."""
        wait = self._core.wait(self._id, NEVER_NS if timeout is None else to_ns(timeout))
        if wait in (WaitResult.FROM_CALLBACK, WaitResult.WOULD_DEADLOCK):
            raise RuntimeError("cannot join a timer that may need the thread of this callback: would deadlock")

    def is_alive(self) -> bool:
        if self._own_thread:
            return super().is_alive()
        return self._started_era == _era and not self._is_over

    @property
    def name(self) -> str:
        if self._own_thread:
            return threading.Thread.name.fget(self)  # type: ignore[attr-defined,no-any-return]
        number = self._name_number
        return number if isinstance(number, str) else f"Timer-{number}"

    @name.setter
    def name(self, value: str) -> None:
        if self._own_thread:
            threading.Thread.name.fset(self, value)  # type: ignore[attr-defined]
        else:
            self._name_number = str(value)

    @property
    def daemon(self) -> bool:
        if self._own_thread:
            return threading.Thread.daemon.fget(self)  # type: ignore[attr-defined,no-any-return]
        return self._timer_daemon

    @daemon.setter
    def daemon(self, value: bool) -> None:
        if self._own_thread:
            threading.Thread.daemon.fset(self, value)  # type: ignore[attr-defined]
            return
        if self._started_era >= 0:
            raise RuntimeError("cannot set daemon status of active thread")
        self._timer_daemon = bool(value)

    @property
    def ident(self) -> Optional[int]:
        if self._own_thread:
            return threading.Thread.ident.fget(self)  # type: ignore[attr-defined,no-any-return]
        return self._runner or None

    @property
    def native_id(self) -> Optional[int]:
        if self._own_thread:
            return threading.Thread.native_id.fget(self)  # type: ignore[attr-defined,no-any-return]
        return None

    @property
    def state(self) -> State:
        """What the timer does now."""
        if self._own_thread or self._core is None:
            return State.CLOSED if self._is_over else State.IDLE
        return State(self._core.status(self._id))

    def __repr__(self) -> str:
        if self._own_thread:
            return super().__repr__()
        status = "initial" if self._started_era < 0 else "started" if self.is_alive() else "stopped"
        return f"<{type(self).__name__}({self.name}, {status}{' daemon' if self.daemon else ''})>"


# --- Fork and the end. ------------------------------------------------------------------------------------------------


def _after_fork_in_child() -> None:
    global _era, _exit_gate
    _era += 1
    _exit_gate = None
    _detent.become_main(_thread.get_ident())
    forget_parent()


def _at_exit() -> None:
    """Waits for Timers that are not daemons, as for threads; then nothing begins any more."""
    global _exit_gate
    try:
        gate = _thread.allocate_lock()
        gate.acquire()
        _exit_gate = gate
        while _detent.add_hold(0) > 0:
            gate.acquire()
    finally:
        _detent.finalise(1)
        try:
            _end_services()
        finally:
            _detent.finalise(2)


def _end_services() -> None:
    """First all are closed, so that their calls hear of the end together; then all calls share one limit. What raises
    (Ctrl-C, or no memory) skips nothing, and ends the waits of the others."""
    global _withdrawn
    until = time.monotonic() + exit_limit
    error: Optional[BaseException] = None
    for is_waiting in (False, True):
        for core in live_cores():
            try:
                _withdrawn += end_core(core, max(0.0, until - time.monotonic()) if is_waiting and not error else 0)
            except BaseException as raised:
                error = error or raised
    if error is not None:
        raise error


_detent.become_main(threading.main_thread().ident or 0)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
