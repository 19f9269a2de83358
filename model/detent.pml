/* detent: the life of timers, from creation to reuse, under every interleaving.
 *
 * protocol.pml has the steps; here are the threads: the clock, the driver, the executor's workers, and per scenario the
 * clients and what the callback does. `model/run` runs it; by hand:
 *   spin -a -DSC=1 detent.pml && gcc -O2 -DSAFETY -o pan pan.c && ./pan -m100000
 *
 * A lost timer, a waiter that is not told and a wait cycle all end in a state in which nobody can move although the
 * init process still waits for its timers: Spin reports it as an invalid end state. In no scenario does a later verb
 * come to the rescue.
 */
#ifndef SC
#define SC 1
#endif
#include "scenarios.pml"
#include "protocol.pml"

#define LOCALS byte s, h, x, how, lo, c, e, res, enough, o; bit b

active proctype Clock() {
end_clock:
  do
  :: now < T(MAXT) -> now = now + 16
  od
}

/* verification.md, item 7. The driver's own token counts from H2 on; between H2 and T9 it has not promised yet. */
#define OFFERED(r) (g_inarm[r] > 0 || g_confirming[r])
#define PROMISED(r) (AT(hint[r]) <= AT(state[r]) && \
    ((hint[r] & INHAND) != 0 && g_entries[r] == 1 || \
     (hint[r] & ONINBOX) != 0 && ((inbox | g_taken) & BIT(r)) != 0 || \
     wheel[r] != 0 && wheel[r] <= AT(state[r])))
#define KEPT(r) (ISTERM(state[r]) || AT(state[r]) == 0 || OFFERED(r) || PROMISED(r))
/* G22: a driver that sleeps past a deadline is about to be told by the thread that arms this very timer. */
#define ONTHEWAY(r) (ISTERM(state[r]) || AT(state[r]) == 0 || !g_asleep || notified || sleeper <= AT(state[r]) || \
    g_inarm[r] > 0 || (hint[r] & INHAND) != 0)
#define SOUND(r) (g_running[r] <= 1 && g_open[r] == PENDING(state[r]) && !((hint[r] & INHAND) && wheel[r] != 0) && \
    (!ISWAIT(state[r]) || ISCALL(state[r]) || PENDING(state[r])))

active proctype Monitor() {
end_monitor:
  if
  :: atomic { !(KEPT(0) && ONTHEWAY(0) && SOUND(0)) -> assert(false) }
#if NR > 1
  :: atomic { !(KEPT(1) && ONTHEWAY(1) && SOUND(1)) -> assert(false) }
#endif
#if NR > 2
  :: atomic { !(KEPT(2) && ONTHEWAY(2) && SOUND(2)) -> assert(false) }
#endif
  fi
}

active proctype Driver() {
  LOCALS; byte r, next;
  do
  :: atomic {                                                             /* I2 */
       g_taken = inbox; inbox = 0; r = 0 };
     do
     :: r < NR ->
        if :: g_taken & BIT(r) -> visit(r, 1) :: else -> skip fi;
        r++
     :: else -> break
     od;
     r = 0;
     do
     :: r < NR ->
        if :: wheel[r] != 0 && wheel[r] <= now -> visit(r, 0) :: else -> skip fi;
        r++
     :: else -> break
     od;
     atomic {
       r = 0; next = NEVER;
       do
       :: r < NR -> if :: wheel[r] != 0 && wheel[r] < next -> next = wheel[r] :: else -> skip fi; r++
       :: else -> break
       od;
       r = 0
     };
#ifdef M_SBSLEEP
     notified = 0;
     if
     :: inbox != 0 -> skip
     :: else -> sleeper = next; g_asleep = 1;
#elif defined(M_LOST)
     sleeper = next;
     if
     :: inbox != 0 -> skip
     :: else -> notified = 0; g_asleep = 1;
#else
     notified = 0;                                                        /* S4 */
     sleeper = next;                                                      /* S1 */
     if
     :: inbox != 0 -> skip                                                /* I3 */
     :: inbox == 0 -> g_asleep = 1;
#endif
end_asleep:
        if :: notified :: next <= now fi;
        g_asleep = 0
     fi;
     sleeper = 0                                                          /* S5 */
  od
}

/* The tick after the one at s; missed ones are skipped, or made up for in a burst. */
inline next_tick(to, s, per) {
  to = AT(s) + ((per) & 240);
  if
  :: (per) & BURST -> skip
  :: else -> do :: to <= now -> to = to + ((per) & 240) :: else -> break od
  fi
}

/* T4 with what it needs: res 1 claimed. `n`: the next deadline of a fixed-delay series that is held. */
inline claim(r) {
  do
  :: atomic {
       s = state[r];                                                      /* T13, and the clock is read */
#if defined(M_EARLY)
       if :: PENDING(s) && AT(s) -> skip :: else -> s = 0; break fi
#else
       if :: DUE(s) -> skip :: else -> s = 0; break fi
#endif
     };
     if
     :: (s & PERIODIC) ->
        lock_registry(r);
        atomic {
          s = state[r]; x = period[r];
          next_tick(h, s, x)
        };
#ifdef M_SERIES
        h = 0;
#endif
        atomic {                                                          /* T4 of a series */
          if
#ifdef M_KIND
          :: DUE(s) ->
#else
          :: DUE(s) && (s & PERIODIC) && state[r] == s ->
#endif
             assert(g_open[r] && g_due[r] <= now && g_period[r] == x);    /* R-PERIOD, R-KIND */
#if SERIES
             assert(!g_silent[r]);                                        /* R-SERIES */
#endif
             g_due[r] = h;
#ifdef M_SERIES
             g_end(r); state[r] = FLAGS(s) | CALLING;
#else
             if
             :: (x & DELAY) -> state[r] = HELD | FLAGS(s) | CALLING
             :: else -> state[r] = h | PERIODIC | FLAGS(s) | CALLING
             fi;
#endif
             res = 1
          :: else -> skip
          fi;
          h = 0
        };
        unlock_registry(r)
     :: else ->
#if DETACHES
        number[r]++;                                                      /* K1 */
#endif
        atomic {                                                          /* T4 of a one-shot */
          if
          :: state[r] == s ->
             assert(!ISCALL(s));
             assert(g_due[r] <= now);
             g_end(r);
#ifdef M_RUNAFTER
             state[r] = FLAGS(s);
#else
             state[r] = FLAGS(s) | CALLING;
#endif
             res = 1
          :: else -> skip
          fi
        };
#ifdef M_RUNAFTER
        state[r] = state[r] | CALLING
#endif
     fi;
     if :: res -> break :: else -> skip fi
  od;
  s = 0
}

/* T6. held -> next: the call of a fixed-delay tick is over. */
inline T6(r) {
#ifdef M_SERIES                         /* the engine arms the next tick itself after the call */
  if
  :: (x & 240) -> atomic { if :: !ISTERM(state[r]) ->
       if :: PENDING(state[r]) -> skip :: else -> assert(!g_open[r]); g_open[r] = 1 fi;
       state[r] = (now + (x & 240)) | PERIODIC | FLAGS(state[r]) :: else -> skip fi }
  :: else -> skip
  fi;
  x = 0;
#else
  if
  :: !ISTERM(state[r]) && (state[r] & 241) == HELD ->
     lock_registry(r);
     do
     :: atomic { s = state[r]; h = now + (period[r] & 240) };
        if
        :: ISTERM(s) || (s & 241) != HELD -> break
        :: else ->
           atomic {
             if
#ifdef M_RESUMEBLIND                    /* written without looking whether it is still held */
             :: true ->
                if :: PENDING(state[r]) -> skip :: else -> g_open[r] = 1 fi;
#else
             :: state[r] == s ->
#endif
                g_due[r] = h; state[r] = h | PERIODIC | FLAGS(s); break
#ifndef M_RESUMEBLIND
             :: else -> skip
#endif
             fi
           }
        fi
     od;
     atomic { s = 0; h = 0 };
     unlock_registry(r)
  :: else -> skip
  fi;
  x = 0;
#endif
  skip
}

#if DROPS
/* T12. The executor dropped the entry without running it: a firing that is due is over, and whoever waits for it is told. */
inline drop(r) {
#ifdef M_DROPLEAK                       /* the task's end is forgotten: nobody says that no entry is left */
  atomic { g_entries[r]--; g_inarm[r]++ };
  g_inarm[r]--
#else
  lock_registry(r);
  do
  :: atomic {
       s = state[r]; x = period[r];
#ifdef M_DROPALL                        /* also what is not due: an arming that came after the entry */
       if :: PENDING(s) -> skip :: else -> res = 0; b = 0; break fi;
#else
       if :: DUE(s) -> skip :: else -> res = 0; b = 0; break fi;
#endif
       if
       :: (s & PERIODIC) && (x & DELAY) -> h = now + (x & 240)            /* no call will end: it counts from now */
       :: (s & PERIODIC) && !(x & DELAY) -> next_tick(h, s, x)
       :: else -> h = 0
       fi
     };
     atomic {
       if
       :: state[r] == s ->
          assert(g_open[r] && g_due[r] <= now);
          assert(!ISCALL(s));
          if
          :: s & PERIODIC -> assert(g_period[r] == x); g_due[r] = h; state[r] = h | PERIODIC
          :: else -> g_end(r); state[r] = 0
          fi;
          b = ISWAIT(s);
          res = !(s & PERIODIC) && idonly[r];
          if :: res -> T3(r, ORPHAN); assert(res == ENDER) :: else -> skip fi;
          break
       :: else -> skip
       fi
     }
  od;
  atomic { s = 0; h = 0; x = 0 };
#ifndef M_DROPSILENT                    /* nobody who waits for the firing is told */
  if :: b -> count_end(r) :: else -> skip fi;
#endif
  b = 0;
  unlock_registry(r);
  if :: res -> finish(r) :: else -> skip fi;
  settle(r)
#endif
}
#endif

bit  returned;                          /* scenarios 14 and 17: the waiter is back */
bit  closed;                            /* scenario 4: the other closer is back, so the handle may go */
bit  gone;                              /* scenario 3: destroyed inside its callback */
byte waiters;                           /* scenario 9 */
#include "callbacks.pml"

proctype Worker(byte w) {
  LOCALS; byte r, t, y;
end_idle:
  do
  :: queue ? r ->
#if DROPS
     if
     :: true -> drop(r)
     :: true ->
#endif
     claim(r);
     if
     :: res ->
        atomic {
          res = 0;
          assert(g_running[r] == 0);
          assert(g_callable[r] != 0 && g_callable[r] == g_tenant[r]);
          assert(g_quiet[r] != g_tenant[r]);
#if DETACHES
          g_begun[r]++;
#endif
          g_running[r]++; t = g_callable[r]; calls_of[w] = r + 1
        };
        callback(r, w);
        atomic {
          assert(g_callable[r] == t && g_tenant[r] == t);
          g_running[r]--; t = 0; c = 0; calls_of[w] = 0
        };
#if SERIES
        T6(r);
#endif
#ifdef M_SPENTBEFORE                    /* T11 is not repeated when a cancel comes before T5 */
        atomic {
          if
          :: ISSPENT(r, state[r]) -> state[r] = TERMINAL | ORPHAN | FLAGS(state[r])
          :: else -> skip
          fi
        };
#endif
        finish(r)
     :: else -> skip
     fi;
     settle(r);
#if DROPS
     fi;
#endif
     r = 0
  od
}

#include "clients.pml"
