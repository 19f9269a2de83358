/* clients: who calls which verbs in each scenario. */

/* close, wait for what was in progress, free: the destructor of a handle outside callbacks. */
inline destroy(r, me) {
  T3(r, 0);
  if
  :: res == ENDER -> finish(r)
#ifdef M_NUMBER                         /* as by the number alone, which is counted before T5 */
  :: res == BUSY -> c = number[r]; await(r, me, 1, OWNED)
#else
  :: res == BUSY -> await(r, me, 0, OWNED)
#endif
  :: res == WASENDED -> skip
  fi;
  atomic { assert(g_running[r] == 0 && g_callable[r] == 0); g_quiet[r] = g_tenant[r]; c = 0; res = 0 };
  free_record(r)
}

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
  destroy(0, 0);
  clients--
}
proctype Waiter() {
  LOCALS;
  enough = 1;
  await(0, 1, 2, OWNED);
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
     if :: n == 3 -> break :: else -> destroy(0, 0); n++ fi
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
  destroy(0, 0);
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
  :: res == BUSY -> await(0, 1, 0, 0)
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
#ifdef M_WAITREAD                       /* the number read before the word, and not looked at again */
  c = number[0];
  atomic { s = state[0]; g_seen = number[0] };
#else
  do
  :: c = number[0];
     atomic { s = state[0]; g_seen = number[0] };
     if :: number[0] == c -> break :: else -> skip fi
  od;
#endif
  if
  :: PENDING(s) ->
     enough = (ISCALL(s) -> 2 : 1);
     await(0, 1, 2, OWNED);
     assert(number[0] > g_seen)         /* nobody withdraws here: it must have fired */
  :: else -> skip
  fi;
  clients--
}
init {
  atomic { hint[0] = NEVER; clients = 2; g_tenant[0] = 1; g_callable[0] = 1;
    run Worker(0); run Armer(); run Waiter() };
  clients == 0 && !PENDING(state[0]) && !ISCALL(state[0]) && g_entries[0] == 0;
  assert(!g_open[0])
}
#endif
