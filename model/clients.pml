/* clients: who calls which verbs in each scenario. */

/* close_and_wait by a handle, outside callbacks. */
inline close_and_wait(r, me) {
#ifdef M_CHECKFIRST                     /* whether a call is in progress is looked at before the close takes effect */
  enough = ISCALL(state[r]);
  T3(r, 0);
  if
  :: res == ENDER -> finish(r)
  :: res == BUSY && enough -> await_call(r, me, OWNED, 0)
  :: else -> skip
  fi;
  enough = 0;
#else
  T3(r, 0);
  if
  :: res == ENDER -> finish(r)
  :: res == BUSY -> await_call(r, me, OWNED, 0)
  :: else -> skip
  fi;
#endif
  res = 0;
#if DETACHES
  g_quiet[r] = g_tenant[r]
#else
  atomic { assert(g_running[r] == 0 && g_callable[r] == 0); g_quiet[r] = g_tenant[r] }
#endif
}
/* The destructor of a handle: it waits as well, then the record is free. */
inline destroy(r, me) {
  close_and_wait(r, me);
  abandon(r)
}

/* A series has no tick left that time will reach. */
#define OUTOFTIME(r) (!PENDING(state[r]) || AT(state[r]) > T(MAXT))
#define ALLIDLE(r) (OUTOFTIME(r) && !ISCALL(state[r]) && g_entries[r] == 0 && now == T(MAXT))
#define ALLQUIET(r) (!PENDING(state[r]) && !ISCALL(state[r]) && g_entries[r] == 0)
#define START(r) hint[r] = NEVER; g_tenant[r] = 1; g_callable[r] = 1

#if SC == 1 || SC == 5 || SC == 23
proctype ArmCancel() {
  LOCALS;
  arm(0, T(1)); res = 0;
  cancel(0); res = 0;
  if
  :: true -> arm(0, T(1))
  :: true -> arm(0, T(2))
  fi;
  res = 0;
  clients--
}
proctype Owner() {
  LOCALS;
  destroy(0, 1);
  clients--
}
#if SC != 23
proctype Waiter() {
  LOCALS;
  wait_for(0, 2, OWNED);
  clients--
}
#endif
init {
  atomic {
    state[0] = TERMINAL; hint[0] = NEVER; clients = 3;
    g_tenant[0] = 1; g_callable[0] = 1; state[0] = 0;
    run Worker(0); run ArmCancel();
#if SC != 23
    run Waiter();
#endif
#if SC != 5
    run Owner();
#endif
#if SC != 1
    clients = 2
#endif
  };
  clients == 0 && !PENDING(state[0]) && !ISCALL(state[0]) && g_entries[0] == 0;
  assert(!g_open[0])
}
#elif SC == 7 || SC == 8
/* The record is closed, freed and given out again while its entry is in hand, and while it is on the inbox. */
proctype Owner() {
  LOCALS; byte n;
  n = 1;
  do
  :: n <= TENANTS ->
     open_record(0, n);
     if
     :: true -> arm(0, T(1))
     :: true -> arm(0, T(2))
#if MAXT == 3
     :: true -> arm(0, T(3))
#endif
     fi;
     res = 0;
     if :: n == TENANTS -> break :: else -> destroy(0, 1); n++ fi
  od;
  clients--
}
init {
  atomic { state[0] = TERMINAL; hint[0] = NEVER; clients = 1; run Worker(0); run Owner() };
  clients == 0 && !PENDING(state[0]) && !ISCALL(state[0]) && g_entries[0] == 0;
  assert(!g_open[0])
}
#endif

#if SC == 11
proctype Armer() {
  LOCALS;
  arm(0, T(2)); res = 0;
  arm(0, T(1)); res = 0;
  arm(0, T(3)); res = 0;
  arm(0, T(2)); res = 0;
  clients--
}
init {
  atomic { hint[0] = NEVER; clients = 1; g_tenant[0] = 1; g_callable[0] = 1; run Worker(0); run Armer() };
  clients == 0 && !PENDING(state[0]) && !ISCALL(state[0]) && g_entries[0] == 0;
  assert(!g_open[0])
}
#endif

#if SC == 14
/* A wait by id ends with the call it saw, although the record gets a new tenant whose callback waits for the waiter. */

proctype Owner() {
  LOCALS;
  arm(0, T(1)); res = 0;
  destroy(0, 1);
  open_record(0, 2);
  arm(0, T(1));
  clients--
}
proctype ById() {
  LOCALS;
  atomic {                              /* under the registry lock */
    if
    :: gener[0] == 0 -> T3(0, 0)
    :: else -> res = WASENDED
    fi
  };
  if
  :: res == ENDER -> finish(0)
  :: res == BUSY -> await_call(0, 2, 0, 0)
  :: else -> skip
  fi;
  returned = 1;
  clients--
}
init {
  atomic { hint[0] = NEVER; clients = 2; g_tenant[0] = 1; g_callable[0] = 1;
    run Worker(0); run Owner(); run ById() };
  clients == 0 && !PENDING(state[0]) && !ISCALL(state[0]) && g_entries[0] == 0;
  assert(!g_open[0])
}
#endif

#if SC == 15
/* wait() for a firing that has not started returns after its call, also when an earlier call just re-armed the timer. */
proctype Armer() { LOCALS; arm(0, T(1)); clients-- }
proctype Waiter() {
  LOCALS;
  atomic { s = state[0]; enough = ISCALL(s) + PENDING(s); lo = g_ended[0] };
  x = enough; enough = 0;
  wait_for(0, 1, OWNED);
  assert(g_ended[0] - lo >= x);         /* nobody withdraws here: it must have fired, and its call must be over */
  clients--
}
init {
  atomic { hint[0] = NEVER; clients = 2; g_tenant[0] = 1; g_callable[0] = 1;
    run Worker(0); run Armer(); run Waiter() };
  clients == 0 && !PENDING(state[0]) && !ISCALL(state[0]) && g_entries[0] == 0;
  assert(!g_open[0])
}
#endif

#if SC == 17
/* A group's wait counts detached calls: all = 1. */
proctype Armer() { LOCALS; arm(0, T(1)); clients-- }
/* A wait on the timer does not count them, and has to come back although the detached call waits for it. */
proctype OnTimer() {
  LOCALS;
  T3(0, 0);
  if
  :: res == ENDER -> finish(0)
  :: res == BUSY -> await_call(0, 2, 0, 0)
  :: else -> skip
  fi;
  returned = 1;
  clients--
}
proctype Group() {
  LOCALS;
  T3(0, 0);
  if
  :: res == ENDER -> finish(0)
  :: res == BUSY -> await_call(0, 1, OWNED, 1)
  :: else -> skip
  fi;
  assert(g_running[0] == 0 && g_callable[0] == 0);
  returned;                             /* the handle is still used by the other closer */
  abandon(0);
  clients--
}
init {
  atomic { START(0); clients = 3; run Worker(0); run Armer(); run OnTimer(); run Group() };
  clients == 0 && ALLQUIET(0);
  assert(!g_open[0])
}
#endif

#if SC == 19
/* Two closers of a timer whose last call, long over, had detached itself: both wait for the callable's destruction. */
proctype Closer(byte me) {
  LOCALS;
  T3(0, 0);
  if
  :: res == ENDER -> finish(0)
  :: res == BUSY -> await_call(0, me, OWNED, 0)
  :: else -> skip
  fi;
  assert(ISTERM(state[0]) && (g_callable[0] == 0 || g_running[0] && ISDETACHED(0)));
  clients--
}
init {
  LOCALS;
  atomic { START(0); clients = 1; run Worker(0) };
  arm(0, T(1)); res = 0;
  ALLQUIET(0);
  atomic { clients = 2; run Closer(1); run Closer(2) };
  clients == 0
}
#endif

#if SC == 20
/* wait() beside a detached call: it sleeps, and what was pending has begun, and ended or detached itself, when it returns. */
proctype Armer() { LOCALS; arm(0, T(1)); res = 0; arm(0, T(1)); clients-- }
proctype Waiter() {
  LOCALS;
  atomic { s = state[0]; lo = g_begun[0]; x = PENDING(s) };
  wait_for(0, 1, OWNED);
  assert(g_begun[0] - lo >= x);         /* nobody withdraws here, and an arming that is replaced has a successor */
  clients--
}
init {
  atomic { START(0); clients = 2; run Worker(0); run Armer(); run Waiter() };
  clients == 0 && ALLQUIET(0);
  assert(!g_open[0])
}
#endif

#if SC == 2
/* Two callbacks close each other's timer and wait, on two workers, beside the destructors of both. */
proctype Destroyer() {
  LOCALS;
  destroy(0, 2);
  destroy(1, 2);
  clients--
}
init {
  LOCALS;
  atomic { START(0); START(1); run Worker(0); run Worker(1) };
  arm(0, T(1)); res = 0;
  arm(1, T(1)); res = 0;
  atomic { clients = 1; run Destroyer() };
  clients == 0 && ALLQUIET(0) && ALLQUIET(1)
}
#endif

#if SC == 18
/* One worker: a callback closes the timer whose entry is queued behind its own, and waits for no call. */
init {
  LOCALS;
  atomic { START(0); START(1); run Worker(0) };
  arm(0, T(1)); res = 0;
  arm(1, T(1)); res = 0;
  now == T(MAXT) && ALLQUIET(0) && ALLQUIET(1) && g_entries[0] == 0 && g_entries[1] == 0
}
#endif

#if SC == 3
/* A timer is destroyed inside its own callback, beside a close by id; its record gets a new tenant, whose timer fires. */
proctype ById() {
  LOCALS;
  close_by_id(0, 0, 1);
  clients--
}
init {
  LOCALS;
  atomic { START(0); clients = 1; run Worker(0) };
  arm(0, T(1)); res = 0;
  atomic { clients = 1; run ById() };
  if
  :: g_tenant[0] == 0 ->                /* the call has freed it */
     open_record(0, 2);
     arm(0, T(2)); res = 0
  :: now == T(MAXT) && clients == 0 && ALLQUIET(0) && g_tenant[0] == 1 && !gone -> skip
  fi;
  clients == 0 && ALLQUIET(0) && g_tenant[0] != 0;
  assert(!g_open[0])
}
#endif

#if SC == 4
/* Close against fire and against a callback that arms its timer again; two closers. */
proctype Armer() { LOCALS; arm(0, T(1)); clients-- }
proctype Owner() {
  LOCALS;
  close_and_wait(0, 1);
  closed;                               /* the handle is still used by the other closer */
  abandon(0);
  clients--
}
proctype Closer() {
  LOCALS;
  close_and_wait(0, 2);
  closed = 1;
  clients--
}
init {
  atomic { START(0); clients = 3; run Worker(0); run Armer(); run Owner(); run Closer() };
  clients == 0 && g_entries[0] == 0 && !ISCALL(state[0]);
  assert(!g_open[0])
}
#endif

#if SC == 6
/* A series that is cancelled, by a thread and inside its own callback: no tick after that, though nobody arms again. */
proctype Canceller() {
  LOCALS;
  if
  :: true -> cancel(0)
  :: true -> cancel_and_wait(0, 1); assert(g_running[0] == 0)
  fi;
  res = 0;
  clients--
}
init {
  LOCALS;
  atomic { START(0); clients = 1; run Worker(0) };
  if
  :: true -> arm_every(0, T(1), T(1))
  :: true -> arm_every(0, T(1), T(1) + BURST)
  :: true -> arm_every(0, T(1), T(1) + DELAY)
  fi;
  res = 0;
  atomic { clients = 1; run Canceller() };
  clients == 0 && ALLIDLE(0);
  assert(!g_open[0])
}
#endif

#if SC == 9 || SC == 21
/* The executor drops entries, one by one as it likes; 9: beside arming anew and cancelling, 21: beside a wait. */
proctype Armer() {
  LOCALS;
  if
  :: true -> arm(0, T(1))
  :: true -> arm_every(0, T(1), T(1))
  :: true -> arm_every(0, T(1), T(1) + DELAY)
  fi;
  res = 0;
#if SC == 9
  if
  :: true -> arm(0, T(2))
  :: true -> cancel(0)
  fi;
  res = 0;
#endif
  clients--
}
#if SC == 21
proctype Waiter() {
  LOCALS;
  wait_for(0, 1, OWNED);
  waiters--
}
#endif
init {
  LOCALS;
  atomic {
    START(0); clients = 1; run Worker(0); run Armer();
#if SC == 21
    waiters = 1; run Waiter()
#endif
  };
  clients == 0 && ALLIDLE(0);
  cancel(0);                            /* a series goes on behind the end of time, and may be waited for */
  waiters == 0
}
#endif

#if SC == 10 || SC == 13
/* 10: two threads make one timer a series. 13: another one makes it a one-shot again, while its tick is claimed or resumed. */
proctype Every(byte per) { LOCALS; arm_every(0, T(1), per); res = 0; clients-- }
proctype Once() { LOCALS; arm(0, T(2)); res = 0; clients-- }
init {
  LOCALS;
  atomic { START(0); clients = 1; run Worker(0) };
#if SC == 10
  atomic { clients = 2; run Every(T(1)); run Every(T(2) + DELAY) };
#else
  if
  :: true -> arm_every(0, T(1), T(1))
  :: true -> arm_every(0, T(1), T(1) + DELAY)
  fi;
  res = 0;
  atomic { clients = 1; run Once() };
#endif
  clients == 0 && ALLIDLE(0)
}
#endif

#if SC == 12 || SC == 22
/* Verbs by id beside the end of an id-only timer and the next tenants of its record: one, or in 22 two. */
proctype Creator() {
  LOCALS;
  idonly[0] = 1;
  open_record(0, 1);
  arm_by_id(0, 0, T(1));
  g_tenant[0] == 0;                     /* nobody but the timer itself, or a verb by its id, ends it */
#if SC == 22
  open_record(0, 2);
  cancel_by_id(0, 1);                   /* nothing is pending: it lives on */
  arm_by_id(0, 1, T(1));
  g_tenant[0] == 0;
#endif
  idonly[0] = 0;
  open_record(0, HEIR);
  arm(0, T(MAXT)); res = 0;
  clients--
}
proctype Stranger() {
  LOCALS;
  gener[0] > 0 || g_tenant[0] == 1;     /* it has the id of the first tenant */
  if
  :: true -> arm_by_id(0, 0, T(MAXT))
  :: true -> cancel_by_id(0, 0)
#if SC == 12
  :: true -> close_by_id(0, 0, 1)
  :: true -> wait_for(0, 1, 0)
#endif
  fi;
  clients--
}
init {
  atomic { state[0] = TERMINAL; hint[0] = NEVER; clients = 2; run Worker(0); run Creator(); run Stranger() };
  clients == 0 && ALLQUIET(0);
  assert(!g_open[0] && g_tenant[0] == HEIR)
}
#endif

#if SC == 16
/* An id-only timer whose entry is dropped is over, like one that has fired. */
proctype Creator() {
  LOCALS;
  idonly[0] = 1;
  open_record(0, 1);
  arm_by_id(0, 0, T(1));
  g_tenant[0] == 0;
  idonly[0] = 0;
  open_record(0, 2);
  arm(0, T(1)); res = 0;
  clients--
}
proctype Stranger() {
  LOCALS;
  gener[0] > 0 || g_tenant[0] == 1;
  if
  :: true -> arm_by_id(0, 0, T(1)); wait_for(0, 1, 0)
  :: true -> cancel_by_id(0, 0)
  fi;
  clients--
}
init {
  atomic { state[0] = TERMINAL; hint[0] = NEVER; clients = 2; run Worker(0); run Creator(); run Stranger() };
  clients == 0 && ALLQUIET(0);
  assert(!g_open[0])
}
#endif
