/* protocol: the two words of a record, the inbox, the driver's sleep, a call's end and its waiters, step by step.
 *
 * The ids are those of src/lifetime/words.hpp; MAP.md says which step is which function. A compare-and-swap loop is
 * one atomic step where nothing but its own word decides; where a second word or the clock is looked at in between,
 * the loads and the exchange are steps of their own. Waking is always a step apart from publishing.
 *
 * Variables named g_... are ghosts: they record what happened and no step of the protocol reads them. M_... leaves a
 * rule out or breaks it: a mutant, which `run` has to find.
 */

/* ---- layout: as in words.hpp, with instants 16, 32, .. 224, and 240 for never ---- */
#define PERIODIC 1
#define CALLING  2
#define WAITED   4
#define TERMINAL 8
#define SHUT     16                     /* with TERMINAL only */
#define ORPHAN   32                     /* with TERMINAL only */
#define HELD     PERIODIC
#define NEVER    240
#define T(n)     ((n) * 16)

#define INHAND   1
#define ONINBOX  2

#define AT(w)      ((w) & 240)
#define ISTERM(s)  (((s) & TERMINAL) != 0)
#define ISCALL(s)  (((s) & CALLING) != 0)
#define ISWAIT(s)  (((s) & WAITED) != 0)
#define PENDING(s) (!ISTERM(s) && ((s) & 241) != 0)
#define LOOK(s)    ((ISTERM(s) || AT(s) == 0) -> NEVER : AT(s))
#define DUE(s)     (!ISTERM(s) && AT(s) != 0 && AT(s) <= now)
#define FLAGS(s)   ((s) & (CALLING | WAITED))
#define BIT(r)     (1 << (r))

/* ---- the engine's memory ---- */
byte state[NR], hint[NR];
byte ends[NR];                          /* ends somebody waited for; belongs to the index. Guarded by regist[r] */
#if DETACHES
byte number[NR];                        /* calls so far, told before T4; belongs to the index */
byte detached[NR];                      /* number of the call that detached itself, or 0. Guarded by regist[r] */
byte detaches[NR];                      /* calls that detached themselves; belongs to the index. Guarded by regist[r] */
#define ISDETACHED(r) (detached[r] != 0 && detached[r] == number[r])
#define ANSWERED(r, all) (ends[r] != c || (!(all) && detaches[r] != e))
#else
#define ISDETACHED(r) false
#define ANSWERED(r, all) (ends[r] != c)
#endif
byte period[NR];                        /* cold part: 16, 32 ..; + DELAY or BURST. Guarded by regist[r] */
#define DELAY 1                         /* the next tick counts from the end of the call */
#define BURST 2                         /* missed ticks are made up for */
bit  idonly[NR];                        /* cold part: no handle, ends by itself */
byte gener[NR];                         /* generation. Guarded by regist[r] */
bit  regist[NR];                        /* the record's registry lock */
byte inbox;                             /* set of records that are linked */
byte wheel[NR];                         /* where the one token of a record stands; 0: none. Driver only */
byte sleeper;                           /* sleep instant; 0: awake */
bit  notified;                          /* the driver's epoch has moved since S4 */
bit  woken[NWAIT];                      /* the bucket's epoch has moved since this waiter looked at it */
byte now;
chan queue = [NR] of { byte };          /* the executor */
byte calls_of[NW];                      /* frame: the record worker w calls, plus one */
byte waits_for[NW];                     /* graph: worker w, inside a callback, waits for record waits_for[w] - 1 ... */
byte waits_end[NW];                     /* ... until its ends are no longer this */
bit  stopping;                          /* U1; creation looks at it under its record's registry lock */

/* ---- ghosts ---- */
bit  g_open[NR];                        /* an arming without an end */
byte g_due[NR];                         /* its deadline */
byte g_period[NR];                      /* and its period */
byte g_tenant[NR];                      /* whose record it is; 0: free */
byte g_callable[NR];                    /* whose callable is alive; 0: none */
byte g_running[NR];
byte g_quiet[NR];                       /* tenant whose close has answered quiet */
byte g_entries[NR];                     /* executor entries */
byte g_inarm[NR];                       /* threads between writing the state and the end of their hand-off */
byte g_taken;                           /* records the driver took from the inbox and has not looked at yet */
#if SERIES
bit  g_silent[NR];                      /* the last verb that took effect was a cancel: no tick may come */
#define g_silence(r, v) g_silent[r] = v
#else
#define g_silence(r, v) skip
#endif
bit  g_confirming[NR];                  /* the driver is between H2 and T9 */
bit  g_asleep;
#if ENDED
byte g_ended[NR];                       /* calls that have ended */
#define g_count_ended(r) g_ended[r]++
#else
#define g_count_ended(r) skip
#endif
#if DETACHES
byte g_begun[NR];                       /* calls that have begun */
#endif
byte clients;

inline g_end(r) { assert(g_open[r]); g_open[r] = 0 }

inline lock_registry(r)   { atomic { !regist[r] -> regist[r] = 1 } }
inline unlock_registry(r) { regist[r] = 0 }

/* ---- waiting for the end of a call, or of a pending firing ---- */
#if NWAIT == 1
#define for_all_waiters(v) woken[0] = v
#elif NWAIT == 2
#define for_all_waiters(v) woken[0] = v; woken[1] = v
#elif NWAIT == 3
#define for_all_waiters(v) woken[0] = v; woken[1] = v; woken[2] = v
#else
#define for_all_waiters(v) woken[0] = v; woken[1] = v; woken[2] = v; woken[3] = v
#endif

inline notify_bucket() {                /* after publishing, a step of its own, engine memory only */
#ifdef M_LOSTEND
  skip
#else
  atomic { for_all_waiters(1) }
#endif
}
inline count_end(r) {                   /* X1, then the bucket; under the registry lock */
  ends[r]++;
  notify_bucket()
}

#define OWNED 255                       /* instead of a generation: the record cannot get another tenant meanwhile */

/* Whether generation g of record r is meant, asked under the registry lock. A tenant of generation g is g + 1. */
#ifdef M_IDCHECK
#define SAME(r, g) true
#else
#define SAME(r, g) ((g) == OWNED || gener[r] == (g))
#endif

/* T7 and the count, under the registry lock. res 1: sleep until the record's ends are no longer c. too: a pending
 * firing counts as well; all: detached calls count. */
inline await_locked(r, too, all) {
  atomic {
    if
    :: !(all) && ISDETACHED(r) -> res = 0
    :: else ->
       if
       :: ISCALL(state[r]) || ((too) && PENDING(state[r])) -> state[r] = state[r] | WAITED; res = 1
       :: else -> res = 0
       fi
    fi
  };
#if DETACHES
  e = detaches[r];
#endif
  c = ends[r]
}
inline sleep_until_over(r, me, all) {
  do
  :: woken[me] = 0;                     /* the bucket's epoch */
     if
     :: ANSWERED(r, all) -> break                                         /* X2 */
     :: else -> skip
     fi;
     woken[me]
  od;
  c = 0
}

/* After a close: sleeps until the call in progress has ended. g: generation of an id, or OWNED; all: as above. */
inline await_call(r, me, g, all) {
#ifdef M_T7LOOK                         /* without the lock the call at T7 may be another tenant's */
  if
  :: SAME(r, g) -> await_locked(r, 0, all)
  :: else -> res = 0
  fi;
#else
  lock_registry(r);
  if
  :: SAME(r, g) -> await_locked(r, 0, all)
  :: else -> res = 0
  fi;
  unlock_registry(r);
#endif
  if
  :: res -> sleep_until_over(r, me, all)
  :: else -> skip
  fi;
  atomic { res = 0; c = 0 }
}

/* wait(): for what is pending and for the call in progress, each once; g: as above. A detached call does not count, but a firing that
 * is pending beside it cannot start before it returns: the waiter sleeps over its end without taking that for its own. */
inline wait_for(r, me, g) {
  enough = 255;
  do
  :: lock_registry(r);
#if IDS
     if :: SAME(r, g) -> skip :: else -> unlock_registry(r); break fi;
#endif
     atomic {
       s = state[r]; b = ISCALL(s) && ISDETACHED(r);
       if
       :: enough == 255 ->
          enough = (ISCALL(s) && !b) + PENDING(s);
#if DETACHES
          how = (ISCALL(s) -> number[r] : 0)                              /* the call that was there from the start */
#endif
       :: else -> skip
       fi
     };
#if DETACHES && !defined(M_DETACHSPINS)
     if
     :: b && PENDING(s) && number[r] == how -> await_locked(r, 1, 1); b = 1     /* to be slept over */
     :: b && PENDING(s) && number[r] != how -> unlock_registry(r); break        /* what was pending has begun */
     :: !b && (PENDING(s) || ISCALL(s)) -> await_locked(r, 1, 1)
     :: !PENDING(s) && (b || !ISCALL(s)) -> unlock_registry(r); break
     fi;
#else
     if
     :: PENDING(s) || (ISCALL(s) && !b) -> await_locked(r, 1, 0); assert(res || !b)
     :: else -> unlock_registry(r); break
     fi;
     b = 0;
#endif
     unlock_registry(r);
     if
     :: res ->
        sleep_until_over(r, me, 0);
        if :: b -> skip :: else -> enough-- fi;
        if :: enough == 0 -> break :: else -> skip fi
     :: else -> skip
     fi
  od;
  atomic { s = 0; res = 0; c = 0; e = 0; b = 0; how = 0; enough = 0 }
}

/* The walk of the wait graph, under its lock. res 1: the wait of worker w for record r would close a cycle. */
inline enter_wait(r, w) {
  atomic {
    o = (r) + 1;
    do
    :: o == calls_of[w] -> res = 1; break
    :: else ->
       lo = 0;
       do
       :: lo < NW -> 
          if
          :: calls_of[lo] == o && waits_for[lo] != 0 && ends[waits_for[lo] - 1] == waits_end[lo] -> break
          :: else -> lo++
          fi
       :: else -> break
       od;
       if
       :: lo == NW -> res = 0; break
       :: else -> o = waits_for[lo]
       fi
    od;
#ifdef M_XWAIT
    res = 0;
#endif
    if
    :: !res -> waits_for[w] = (r) + 1; waits_end[w] = c
    :: else -> skip
    fi;
    o = 0; lo = 0
  }
}
#define QUIET    0
#define REFUSED  1
#define FROMCALL 2
#ifdef M_INHANDWAIT                     /* a close waits also for the entry that an executor holds */
#define await_entry(r) !(hint[r] & INHAND)
#else
#define await_entry(r) skip
#endif

/* The wait of a close_and_wait that worker w calls inside a callback. res: its answer. */
inline await_inside(r, w) {
#ifdef M_SELFWAIT
  if
  :: true ->
#else
  if
  :: calls_of[w] == (r) + 1 -> res = FROMCALL
  :: else ->
#endif
     lock_registry(r);
     await_locked(r, 0, 0);
     unlock_registry(r);
     if
     :: res ->
#ifdef M_SELFWAIT
        if :: calls_of[w] == (r) + 1 -> res = 0 :: else -> enter_wait(r, w) fi;
#else
        enter_wait(r, w);
#endif
        if
        :: res -> c = 0; res = REFUSED
        :: else -> sleep_until_over(r, w, 0); atomic { waits_for[w] = 0; waits_end[w] = 0; res = QUIET }
        fi
     :: else -> c = 0
     fi
  fi
}

/* firing.detach(), inside the call: who waits for the timer is answered now; who waits for its group or the service is
 * not, so this is no end. */
#if DETACHES
inline detach(r) {
  lock_registry(r);
  detached[r] = number[r];                                                /* A1 */
#ifdef M_DETACHEND                      /* counted as an end: groups and shutdown believe it too */
  atomic {
    if
    :: ISWAIT(state[r]) -> state[r] = state[r] & (255 - WAITED); res = 1
    :: else -> res = 0
    fi
  };
  if
  :: res -> count_end(r)
  :: else -> skip
  fi;
#else
  if
  :: ISWAIT(state[r]) -> detaches[r]++; notify_bucket()
  :: else -> skip
  fi;
#endif
  unlock_registry(r);
  res = 0
}
#endif

/* ---- hand-off to the driver: handoff.hpp ---- */
#define NEEDLESS 0
#define ONITSWAY 1
#define MUSTPUSH 2

inline wake_driver(lo) {
  if
  :: sleeper > (lo) ->                  /* S2 */
#ifndef M_NONOTIFY
     notified = 1                       /* S3 */
#else
     skip
#endif
  :: else -> skip
  fi
}

inline lower(r, d, out) {               /* H7, H1 */
  atomic {
    if
    :: AT(hint[r]) <= (d) -> out = NEEDLESS
    :: else -> out = ((hint[r] & ONINBOX) -> ONITSWAY : MUSTPUSH); hint[r] = (d) | ONINBOX
    fi
  }
}

inline send(r, d) {                     /* I1, H5, then S2 and S3; `how` says what is to do */
  if
  :: how == NEEDLESS -> skip
  :: how == ONITSWAY -> wake_driver(d)
  :: how == MUSTPUSH ->
     atomic { assert(!(inbox & BIT(r))); inbox = inbox | BIT(r) };         /* I1 */
#ifdef M_NORECHECK
     lo = (d);
#else
     atomic {                                                             /* H5 */
       if
       :: !(hint[r] & ONINBOX) -> lo = 0
       :: else -> lo = (AT(hint[r]) < (d) -> AT(hint[r]) : (d))
       fi
     };
#endif
     if
     :: lo == 0 -> skip                 /* the driver has already taken it */
     :: else -> wake_driver(lo)
     fi
  fi
}

/* The driver looks at record r; from: 1 taken from the inbox, 0 its token came up. */
inline visit(r, from) {
  b = (from);                             /* this visit still has to clear `on inbox` */
  do
  :: h = hint[r];                                                         /* H7 */
     if
     :: h & INHAND ->
        assert(b);
#ifdef M_VISITAND                       /* cleared without looking whether the entry has settled meanwhile */
        atomic { hint[r] = hint[r] & (255 - ONINBOX); g_taken = g_taken & (255 - BIT(r)) };
        break
#else
        atomic {
          if
          :: hint[r] == h -> hint[r] = h & (255 - ONINBOX); g_taken = g_taken & (255 - BIT(r)); break
          :: else -> skip
          fi
        }
#endif
     :: else ->
        s = state[r];                                                     /* T13 */
        if
        :: LOOK(s) <= now && !(from) ->                                   /* from the inbox it is only filed */
           atomic {
             if
             :: hint[r] == h ->                                           /* H3 */
                hint[r] = INHAND | (h & (b -> 0 : ONINBOX));
#ifdef M_H3BIT
                hint[r] = INHAND;
#endif
                g_taken = g_taken & (255 - (b -> BIT(r) : 0));
                wheel[r] = 0; g_confirming[r] = 0;
                assert(g_entries[r] == 0); g_entries[r]++;
                queue ! r;
                break
             :: else -> skip
             fi
           }
        :: else ->
#ifdef M_SBHINT
           g_confirming[r] = 1;
           x = state[r];
#endif
           atomic {
             if
             :: hint[r] == h ->                                           /* H2 */
                hint[r] = LOOK(s) | (h & (b -> 0 : ONINBOX));
                g_taken = g_taken & (255 - (b -> BIT(r) : 0));
#ifdef M_TOKEN
                assert(wheel[r] == 0 || !b || wheel[r] == LOOK(s));       /* the old token would stay beside the new */
#endif
                wheel[r] = (LOOK(s) == NEVER -> 0 : LOOK(s));
                g_confirming[r] = 1; res = 1;
#ifndef M_KEEPBIT
                b = 0                   /* from now on the bit is somebody else's, who will push */
#endif
             :: else -> res = 0
             fi
           };
           if
           :: res ->
#ifndef M_SBHINT
              x = state[r];                                               /* T9 */
#endif
              atomic {
                res = 0;
                if
                :: LOOK(x) >= LOOK(s) -> g_confirming[r] = 0; break
                :: else -> skip
                fi
              }
           :: else -> skip
           fi
        fi
     fi
  od;
  atomic { h = 0; s = 0; x = 0; b = 0; res = 0 }
}

/* The holder of the entry is done with the record. */
inline settle(r) {
  do
  :: h = hint[r];
     s = state[r];
     atomic {
       if
       :: hint[r] == h ->                                                 /* H4 */
          assert(h & INHAND);
          g_entries[r]--; g_inarm[r]++;
          hint[r] = LOOK(s) | (h & ONINBOX) | (LOOK(s) == NEVER -> 0 : ONINBOX);
          how = (LOOK(s) == NEVER -> NEEDLESS : ((h & ONINBOX) -> ONITSWAY : MUSTPUSH));
          break
       :: else -> skip
       fi
     }
  od;
#ifndef M_SBSETTLE
  x = state[r];                                                           /* T9 */
  if
  :: LOOK(x) < LOOK(s) ->
     lower(r, LOOK(x), res);
#ifdef M_SETTLEPUSH
     if :: how == NEEDLESS -> how = res :: else -> skip fi;
#else
     if :: how == NEEDLESS || res == MUSTPUSH -> how = res :: else -> skip fi;
#endif
     s = x
  :: else -> skip
  fi;
#endif
  send(r, LOOK(s));
  atomic { g_inarm[r]--; h = 0; s = 0; x = 0; how = 0; lo = 0; res = 0 }
}

/* ---- verbs ---- */

/* T1, and what follows it. d: instant, p: PERIODIC or 0. res: 1 armed, 0 refused. */
inline T1(r, d, p, per) {
  atomic {
    if
#ifdef M_REARM
    :: ISTERM(state[r]) && g_tenant[r] == 0 -> res = 0
#else
    :: ISTERM(state[r]) -> res = 0
#endif
    :: else ->
       if :: PENDING(state[r]) -> g_end(r) :: else -> assert(!g_open[r]) fi;
       assert(g_quiet[r] != g_tenant[r]);
       g_open[r] = 1; g_due[r] = (d); g_period[r] = (per); g_inarm[r]++;
       state[r] = (d) | (p) | FLAGS(state[r]); g_silence(r, 0);
       res = 1
    fi
  }
}
inline after_T1(r, d) {
  if
  :: res -> lower(r, d, how); send(r, d); atomic { g_inarm[r]--; how = 0; lo = 0 }
  :: else -> skip
  fi
}
inline arm(r, d) {
#ifdef M_UNDO                           /* an exchange that puts back what it must not have taken */
  atomic { s = state[r]; state[r] = (d) | FLAGS(state[r]);
    if :: !ISTERM(s) -> res = 1; if :: PENDING(s) -> g_end(r) :: else -> skip fi;
          g_open[r] = 1; g_due[r] = (d); g_inarm[r]++
       :: else -> res = 0 fi };
  if :: !res -> state[r] = s :: else -> skip fi;
  s = 0;
#else
  T1(r, d, 0, 0);
#endif
  after_T1(r, d)
}
/* per: period, + DELAY or BURST */
inline arm_every(r, d, per) {
#ifdef M_PERIOD
  period[r] = (per);
  lock_registry(r);
#else
  lock_registry(r);
  period[r] = (per);
#endif
  T1(r, d, PERIODIC, per);
  unlock_registry(r);
  after_T1(r, d)
}

/* T2. res: what was found; with WITHDREW a firing was withdrawn. Whoever waits for that firing is answered under the
 * registry lock, so b 1: nothing was done, the lock is needed (unless `locked`), or an end is to be counted (if it is).
 * awaits: T7 in the same step. */
#define RUNNING  1
#define WITHDREW 2
inline T2(r, locked, awaits) {
  atomic {
    s = state[r]; res = 0; b = 0;
    if
    :: ISTERM(s) || !(PENDING(s) || ISCALL(s)) -> skip
    :: else ->
       b = PENDING(s) && ISWAIT(s) && !ISCALL(s);
       if
       :: b && !(locked) -> skip
       :: else ->
          g_silence(r, 1);
          res = (PENDING(s) -> WITHDREW : 0) | (ISCALL(s) -> RUNNING : 0);
          if :: PENDING(s) -> g_end(r) :: else -> skip fi;
          state[r] = (ISCALL(s) -> FLAGS(s) | ((awaits) -> WAITED : 0) : 0)
       fi
    fi;
    s = 0
  }
}
inline cancel(r) {
#if defined(M_TWICE)                    /* the word is read in one step and written in another */
  s = state[r];
  atomic {
    if :: PENDING(s) -> res = WITHDREW; g_end(r); state[r] = FLAGS(s) :: else -> res = 0 fi;
    s = 0
  }
#elif defined(M_NOVOID)                 /* success is told, but what is in hand stays */
  atomic {
    if
    :: PENDING(state[r]) && (hint[r] & INHAND) -> res = WITHDREW; g_end(r)
    :: PENDING(state[r]) && !(hint[r] & INHAND) -> res = WITHDREW; g_end(r); state[r] = FLAGS(state[r])
    :: else -> res = 0
    fi
  }
#else
  T2(r, 0, 0);
  if
  :: b ->
     lock_registry(r);
     T2(r, 1, 0);
     if :: b -> count_end(r); b = 0 :: else -> skip fi;
     unlock_registry(r)
  :: else -> skip
  fi
#endif
}
inline cancel_and_wait(r, me) {
  lock_registry(r);
  T2(r, 1, 1);
  if :: b -> count_end(r); b = 0 :: else -> skip fi;
  c = ends[r];
  unlock_registry(r);
  if
  :: res & RUNNING -> sleep_until_over(r, me, 0)
  :: else -> c = 0
  fi
}

/* T3. res: what the closer found. */
#define WASENDED 0                      /* terminal, and the callable is gone */
#define BUSY     1                      /* a call, or the callable's destruction, is in progress */
#define ENDER    2                      /* none was: this thread took `calling` and ends it */
inline T3(r, how_terminal) {
  atomic {
    if
    :: ISTERM(state[r]) -> res = (ISCALL(state[r]) -> BUSY : WASENDED)
    :: else ->
       if :: PENDING(state[r]) -> g_end(r) :: else -> skip fi;
       res = (ISCALL(state[r]) -> BUSY : ENDER);
#ifdef M_ENDERS                         /* nobody can see that the callable is still being destroyed */
       state[r] = TERMINAL | (how_terminal) | FLAGS(state[r])
#else
       state[r] = TERMINAL | (how_terminal) | CALLING | (state[r] & WAITED)
#endif
    fi
  }
}

inline destroy_callable(r) {
  atomic {
    assert(g_running[r] == 0);
    assert(g_callable[r] != 0);
    assert(g_callable[r] == g_tenant[r]);
    g_callable[r] = 0
  }
}

inline free_record(r) {                 /* under the registry lock */
  atomic {
    !regist[r];
    assert(ISTERM(state[r]) && !ISCALL(state[r]));
    assert(g_tenant[r] != 0 && g_callable[r] == 0 && g_running[r] == 0);
#ifdef M_WRAP
    gener[r] = 1 - gener[r];
#else
    gener[r]++;
#endif
    g_tenant[r] = 0
  }
}

/* T8. res 1: born closed, the creator has to end it. */
inline T8(r, who) {
  atomic {
    !regist[r];
    assert(g_tenant[r] == 0 && g_callable[r] == 0 && ISTERM(state[r]) && !ISCALL(state[r]));
    g_tenant[r] = who; g_callable[r] = who;
    if
    :: stopping -> state[r] = TERMINAL | SHUT | CALLING; res = 1
    :: else -> state[r] = 0; res = 0
    fi
  }
}
inline open_record(r, who) {
  T8(r, who);
  if :: res -> finish(r) :: else -> skip fi
}

/* T11. A timer that only its id names is over when nothing is pending after a call: T5 never replaces such a word. */
#ifdef M_SPENT                          /* nobody ends it: the record is lost */
#define ISSPENT(r, s) false
#else
#define ISSPENT(r, s) (idonly[r] && !ISTERM(s) && !PENDING(s))
#endif

/* The end of a call, and under a terminal word of the callable: T5 and what follows it. */
inline finish(r) {
  b = 0;                                /* the callable was destroyed here */
  do
  :: s = state[r];                                                        /* T13 */
     if
     :: ISTERM(s) && !b -> destroy_callable(r); b = 1
#if !defined(M_SPENTBEFORE)
     :: ISSPENT(r, s) ->
        atomic {                                                          /* T11 */
#ifdef M_ENDLOOK                        /* looked at first, then written */
          state[r] = TERMINAL | ORPHAN | FLAGS(s)
#else
          if
          :: state[r] == s -> state[r] = TERMINAL | ORPHAN | FLAGS(s)
          :: else -> skip
          fi
#endif
        }
#endif
     :: else ->
#ifdef M_NUMBER                         /* the end is counted outside the lock, after the word */
        atomic {
          if
          :: state[r] == s -> state[r] = s & (255 - CALLING - WAITED); break
          :: else -> skip
          fi
        }
#else
        if
        :: ISWAIT(s) || ISDETACHED(r) ->
           lock_registry(r);
           atomic {                                                       /* T5 that finds `waited` */
             s = state[r];
             if
             :: ISTERM(s) && !b -> res = 0
#ifndef M_SPENTBEFORE
             :: ISSPENT(r, s) -> res = 0
#endif
             :: else -> state[r] = s & (255 - CALLING - WAITED); g_count_ended(r); res = 1
             fi
           };
           if
           :: res ->
#if DETACHES && !defined(M_DETACHEDSTAYS)
              detached[r] = 0;          /* the destruction of the callable by a closer is no part of that call */
#endif
              count_end(r); unlock_registry(r); break
           :: else -> unlock_registry(r)
           fi
        :: else ->
           atomic {                                                       /* T5 */
             if
             :: state[r] == s -> state[r] = s & (255 - CALLING); g_count_ended(r); break
             :: else -> skip
             fi
           }
        fi
#endif
     fi
  od;
#ifdef M_NUMBER
  if :: ISWAIT(s) -> count_end(r) :: else -> skip fi;
#endif
#ifdef M_ORPHAN                         /* nobody frees what its owner left during a call */
  skip;
#else
  if :: ISTERM(s) && (s & ORPHAN) -> free_record(r) :: else -> skip fi;
#endif
  atomic { s = 0; res = 0; b = 0 }
}

/* T10. The owner goes; a call in progress frees the record. */
inline abandon(r) {
  atomic {
    if
    :: ISCALL(state[r]) -> state[r] = state[r] | ORPHAN; res = 0
    :: else -> res = 1
    fi
  };
  if :: res -> free_record(r) :: else -> skip fi;
  res = 0
}

/* Inside the timer's own callback: the call in progress frees the record. */
inline destroy_inside(r) {
  T3(r, 0);
  assert(res == BUSY);
  abandon(r)
}

/* ---- verbs by id: the generation is looked at and the word changed under the registry lock ---- */
#if IDS
#define BYID(r, g) assert(g_tenant[r] == (g) + 1)                          /* R-STRANGER */
#ifdef M_IDEARLY                        /* the generation is looked at before the lock is there */
#define lock_named(r, g) b = SAME(r, g); lock_registry(r)
#define NAMED(r, g) b
#else
#define lock_named(r, g) lock_registry(r)
#define NAMED(r, g) SAME(r, g)
#endif

inline arm_by_id(r, g, d) {
  lock_named(r, g);
  if
  :: NAMED(r, g) -> BYID(r, g); T1(r, d, 0, 0); after_T1(r, d)
  :: else -> skip
  fi;
  unlock_registry(r);
  atomic { res = 0; b = 0 }
}
/* A timer that only its id names ends when it is cancelled. */
inline cancel_by_id(r, g) {
  lock_named(r, g);
  if
  :: NAMED(r, g) ->
     BYID(r, g);
     T2(r, 1, 0);
     if :: b -> count_end(r); b = 0 :: else -> skip fi;
     if
     :: res == WITHDREW && idonly[r] -> T3(r, ORPHAN)
     :: else -> res = WASENDED
     fi
  :: else -> res = WASENDED
  fi;
  unlock_registry(r);
  if :: res == ENDER -> finish(r) :: else -> skip fi;
  atomic { res = 0; b = 0 }
}
inline close_by_id(r, g, me) {
  lock_named(r, g);
  if
  :: NAMED(r, g) -> BYID(r, g); T3(r, (idonly[r] -> ORPHAN : 0))
  :: else -> res = WASENDED
  fi;
  unlock_registry(r);
  if
  :: res == ENDER -> finish(r)
  :: res == BUSY -> await_call(r, me, g, 0)
  :: else -> skip
  fi;
  atomic { res = 0; b = 0 }
}
#endif
