/* protocol: the two words of a record, the inbox, the driver's sleep, a call's end and its waiters, step by step.
 *
 * The ids are those of src/lifetime/words.hpp; MAP.md says which step is which function. A compare-and-swap loop is
 * one atomic step where nothing but its own word decides; where a second word or the clock is looked at in between,
 * the loads and the exchange are steps of their own. Waking is always a step apart from publishing.
 *
 * Variables named g_... are ghosts: they record what happened and no step of the protocol reads them.
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
byte number[NR];                        /* calls that have ended; belongs to the index, never set back */
byte period[NR];                        /* cold part: 16, 32 ..; + 1 fixed delay. Guarded by regist[r] */
bit  idonly[NR];                        /* cold part: no handle, ends by itself */
byte gener[NR];                         /* generation; guarded by regist[r] */
bit  regist[NR];                        /* the record's registry lock */
byte inbox;                             /* set of records that are linked */
byte wheel[NR];                         /* where the one token of a record stands; 0: none. Driver only */
byte sleeper;                           /* sleep instant; 0: awake */
bit  notified;                          /* the driver's epoch has moved since S4 */
bit  woken[NWAIT];                      /* the bucket's epoch has moved since this waiter looked at it */
byte now;
chan queue = [NR] of { byte };          /* the executor */
bit  graph;                             /* the lock of the wait graph */
byte waits_for[NW + 1];                 /* worker w, inside a callback, waits for record waits_for[w] - 1 ... */
byte waits_nr[NW + 1];                  /* ... until its number is no longer this */
byte calls_of[NW + 1];                  /* frame: the record worker w calls, plus one */
bit  stopping;                          /* guarded by every regist[]: creation looks at it under its record's lock */

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
bit  g_confirming[NR];                  /* the driver is between H2 and T9 */
bit  g_asleep;
byte g_fired[NR];
byte clients;

inline g_end(r) { assert(g_open[r]); g_open[r] = 0 }

/* ---- waiting for the end of a call, or of a pending firing ---- */
#if NWAIT == 1
#define for_all_waiters(v) woken[0] = v
#elif NWAIT == 2
#define for_all_waiters(v) woken[0] = v; woken[1] = v
#elif NWAIT == 3
#define for_all_waiters(v) woken[0] = v; woken[1] = v; woken[2] = v
#elif NWAIT == 4
#define for_all_waiters(v) woken[0] = v; woken[1] = v; woken[2] = v; woken[3] = v
#else
#define for_all_waiters(v) woken[0] = v; woken[1] = v; woken[2] = v; woken[3] = v; woken[4] = v
#endif

inline notify_bucket() {                /* after publishing, a step of its own, engine memory only */
  atomic { for_all_waiters(1) }
}
/* Sleeps until the call that was in progress has ended. what: 0 after a close, no later call can begin; 1 a call, told
 * by its number c; 2 whatever was pending or in progress, `enough` ends after number c. g: generation of an id, or
 * OWNED: the record cannot get another tenant meanwhile. */
#define OWNED 255
#define OVER(r, what, g) ((!ISCALL(state[r]) && ((what) != 2 || !PENDING(state[r]))) || \
    ((what) == 1 && number[r] != c) || ((what) == 2 && number[r] - c >= enough) || ((g) != OWNED && gener[r] != (g)))
inline await(r, me, what, g) {
  do
  :: woken[me] = 0;                     /* the bucket's epoch */
     if
     :: OVER(r, what, g) -> break
     :: else -> skip
     fi;
     atomic {                                                             /* T7 */
       if
       :: ISCALL(state[r]) || ((what) == 2 && PENDING(state[r])) -> state[r] = state[r] | WAITED
       :: else -> break
       fi
     };
#ifndef M_T7LOOK
     if                                 /* the call that T7 saw may be another one, of another tenant even */
     :: OVER(r, what, g) -> break
     :: else -> skip
     fi;
#endif
     woken[me]
  od
}

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
  b = from;                             /* this visit still has to clear `on inbox` */
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
        :: LOOK(s) <= now ->
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
inline lock_registry(r)   { atomic { !regist[r] -> regist[r] = 1 } }
inline unlock_registry(r) { regist[r] = 0 }

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
       state[r] = (d) | (p) | FLAGS(state[r]);
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
/* per: period, + 1 for fixed delay */
inline arm_every(r, d, per) {
#ifdef M_PERIOD
  period[r] = per;
  lock_registry(r);
#else
  lock_registry(r);
  period[r] = per;
#endif
  T1(r, d, PERIODIC, per);
  unlock_registry(r);
  after_T1(r, d)
}

/* T2. res: 1 a firing was withdrawn. Ends a wait for a firing that had not started. */
inline cancel(r) {
#ifdef M_TWICE
  s = state[r];
  atomic { res = PENDING(s); if :: res -> g_end(r); state[r] = FLAGS(s) :: else -> skip fi; s = 0 }
#else
  atomic {
    if
    :: PENDING(state[r]) ->
       g_end(r); res = 1;
       b = ISWAIT(state[r]) && !ISCALL(state[r]);
       state[r] = (ISCALL(state[r]) -> FLAGS(state[r]) : 0)
    :: else -> res = 0
    fi
  };
  if :: b -> notify_bucket(); b = 0 :: else -> skip fi
#endif
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
       state[r] = TERMINAL | (how_terminal) | CALLING | (state[r] & WAITED)
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

inline free_record(r) {
  atomic {                              /* under the registry lock */
    assert(ISTERM(state[r]) && !ISCALL(state[r]));
    assert(g_tenant[r] != 0 && g_callable[r] == 0 && g_running[r] == 0);
    gener[r]++; g_tenant[r] = 0
  }
}

inline open_record(r, who) {            /* T8 */
  atomic {
    !regist[r];
    assert(g_tenant[r] == 0 && g_callable[r] == 0 && ISTERM(state[r]) && !ISCALL(state[r]));
    g_tenant[r] = who;
    if
    :: stopping -> state[r] = TERMINAL | SHUT                             /* born closed */
    :: else -> g_callable[r] = who; state[r] = 0
    fi
  }
}

/* The end of a call: destroys the callable if this was the last one, counts the call, then T5. */
inline finish(r) {
  do
  :: s = state[r];                                                        /* T13 */
     if
     :: ISTERM(s) && g_callable[r] != 0 -> destroy_callable(r)
     :: !ISTERM(s) && idonly[r] && !PENDING(s) ->
        atomic { if :: state[r] == s -> state[r] = TERMINAL | ORPHAN | FLAGS(s) :: else -> skip fi }   /* T11 */
     :: else ->
        if :: !b -> number[r]++; b = 1 :: else -> skip fi;
        atomic {                                                          /* T5 */
#ifdef M_LATEFINISH                     /* T5 whatever the word is by now: a close since then relied on this thread */
          s = state[r];
#endif
          if
          :: state[r] == s -> state[r] = s & (255 - CALLING - WAITED); break
          :: else -> skip
          fi
        }
     fi
  od;
  if :: ISWAIT(s) -> notify_bucket() :: else -> skip fi;
  if :: ISTERM(s) && (s & ORPHAN) -> free_record(r) :: else -> skip fi;
  atomic { s = 0; res = 0; b = 0 }
}
