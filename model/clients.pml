/* clients: who calls which verbs in each scenario. */

/* The destructor of a handle outside callbacks: close, wait for what was in progress, free. */
inline destroy(r, me) {
#ifdef M_CHECKFIRST                     /* whether a call is in progress is looked at before the close takes effect */
  enough = ISCALL(state[r]);
  T3(r, 0);
  if
  :: res == ENDER -> finish(r)
  :: res == BUSY && enough -> await_call(r, me, OWNED, 0)
  :: else -> skip
  fi;
#else
  T3(r, 0);
  if
  :: res == ENDER -> finish(r)
  :: res == BUSY -> await_call(r, me, OWNED, 0)
  :: res == WASENDED -> skip
  fi;
#endif
#if DETACHES
  g_quiet[r] = g_tenant[r];
#else
  atomic { assert(g_running[r] == 0 && g_callable[r] == 0); g_quiet[r] = g_tenant[r] };
#endif
  abandon(r)
}

#define ALLQUIET(r) (!PENDING(state[r]) && !ISCALL(state[r]) && g_entries[r] == 0)
#define START(r) hint[r] = NEVER; g_tenant[r] = 1; g_callable[r] = 1

#if SC == 1 || SC == 5
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
proctype Waiter() {
  LOCALS;
  wait_for(0, 2);
  clients--
}
init {
  atomic {
    state[0] = TERMINAL; hint[0] = NEVER; clients = 3;
    g_tenant[0] = 1; g_callable[0] = 1; state[0] = 0;
    run Worker(0); run ArmCancel(); run Waiter();
#if SC == 1
    run Owner()
#else
    clients = 2
#endif
  };
  clients == 0 && !PENDING(state[0]) && !ISCALL(state[0]) && g_entries[0] == 0;
  assert(!g_open[0])
}
#elif SC == 7
/* The record is closed, freed and given out again while its entry is in hand, and while it is on the inbox. */
proctype Owner() {
  LOCALS; byte n;
  n = 1;
  do
  :: n <= 3 ->
     open_record(0, n);
     if :: true -> arm(0, T(1)) :: true -> arm(0, T(2)) :: true -> arm(0, T(3)) fi;
     res = 0;
     if :: n == 3 -> break :: else -> destroy(0, 1); n++ fi
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
  wait_for(0, 1);
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
proctype Armer() { LOCALS; arm(0, T(1)); res = 0; arm(0, T(2)); clients-- }
proctype Waiter() {
  LOCALS;
  atomic { s = state[0]; lo = g_begun[0]; x = PENDING(s) };
  wait_for(0, 1);
  assert(g_begun[0] - lo >= x);         /* nobody withdraws here, and an arming that is replaced has a successor */
  clients--
}
init {
  atomic { START(0); clients = 2; run Worker(0); run Armer(); run Waiter() };
  clients == 0 && ALLQUIET(0);
  assert(!g_open[0])
}
#endif
