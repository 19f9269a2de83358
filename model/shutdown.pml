/* shutdown: continuations of close_then, and the stages of a service's shutdown beside creation, closing and dropping.
 *
 * A record is its word, its cold part and its list of continuations; what is pending and due may be claimed, or dropped
 * by the executor, at any time, until shutdown has returned: then no thread of the service takes an entry any more.
 * Steps: closing.cpp (continue_with, end_callable, start_continuations), shutdown.cpp, calling.cpp (drop_entry).
 *
 * SC 51: two close_then on a timer that may be firing. 52: one beside shutdown, with an executor that drops. 53: a
 * continuation that was dropped is run by two threads, and its record gets the next continuation. 54: creation beside
 * shutdown. 55: two close_then beside shutdown.
 */
#if SC == 51
#define NR 3
#define NTHREADS 4
#define DROPS 0
#define SHUTS 0
#elif SC == 52
#define NR 2
#define NTHREADS 4
#define DROPS 1
#define SHUTS 1
#elif SC == 53
#define NR 2
#define NTHREADS 4
#define DROPS 0
#define SHUTS 1
#elif SC == 55
#define NR 3
#define NTHREADS 5
#define DROPS 0
#define SHUTS 1
#else
#define NR 2
#define NTHREADS 4
#define DROPS 0
#define SHUTS 1
#endif
#define PENDING  1
#define CALLING  2
#define WAITED   4
#define TERMINAL 8
#define ORPHAN  16
#define FAR     32                      /* with PENDING: due never */
#define NONE   255
#define HANDLE 0
#define CONTINUATION 2

byte word[NR], ends[NR], tenure[NR];
bit  regist[NR];
bit  ended[NR];                         /* the callable is destroyed. Guarded by regist[r] */
byte first[NR], next[NR];               /* continuations in order. Guarded by regist[r] */
byte handed;                            /* indices handed out so far */
bit  refusing, after, over;
bit  woken[NTHREADS];

bit  g_used[NR], g_callable[NR];
byte g_running[NR];
byte g_target[NR];                      /* continuation: the record whose end it waits for, plus one */
byte g_tenant[NR];                      /* tenants so far */
byte g_of[NR];                          /* continuation: the tenant of that record */
byte g_accepted, g_ran;
bit  g_free;                            /* 54: the creation is over */
byte clients;

#define LOCALS byte c, i, s, q, rc, cont; bit ours, won, again, destroyed, due
#define OPEN(r) (!(word[r] & TERMINAL))
#define DUE(r) ((word[r] & (PENDING | TERMINAL | FAR | CALLING)) == PENDING)

inline lock(r) { atomic { !regist[r] -> regist[r] = 1 } }
inline unlock(r) { regist[r] = 0 }

inline T1(r) {                          /* due at once */
  atomic {
    if
    :: word[r] & TERMINAL -> skip
    :: else ->
       /* R-REUSE: who arms a continuation means the one whose target has ended. */
       assert(tenure[r] != CONTINUATION || g_target[r] == 0 || g_tenant[g_target[r] - 1] != g_of[r] ||
              !g_callable[g_target[r] - 1]);
       word[r] = (word[r] & (CALLING | WAITED)) | PENDING
    fi
  }
}
inline T3(r, orphan) {
  atomic {
    ours = 0;
    if
    :: word[r] & TERMINAL -> skip
    :: else -> ours = !(word[r] & CALLING); word[r] = TERMINAL | CALLING | (word[r] & WAITED) | (orphan)
    fi
  }
}
inline T4(r) {                          /* won */
  atomic {
    won = DUE(r);
    if
    :: won ->
       word[r] = CALLING | (word[r] & WAITED);
       assert(g_callable[r] && g_running[r] == 0);
       g_running[r]++;
       if
       :: tenure[r] == CONTINUATION ->
          /* After the last call of its target and the destruction of the callable, once. */
          assert(g_target[r] == 0 || g_tenant[g_target[r] - 1] != g_of[r] || !g_callable[g_target[r] - 1]);
          g_ran++
       :: else -> assert(!over)
       fi
    :: else -> skip
    fi
  }
}
inline release(r) {
  atomic {
    !regist[r];
    assert(!(word[r] & CALLING) && !g_callable[r] && first[r] == NONE);
    g_used[r] = 0
  }
}
/* T5, with the destruction of the callable and T11 before it. cont: the continuations that are due now, or NONE. */
inline finish(r) {
  cont = NONE; destroyed = 0;
  do
  :: s = word[r];
     if
     :: !(s & (TERMINAL | PENDING)) && tenure[r] == CONTINUATION ->
        atomic { if :: word[r] == s -> word[r] = s | TERMINAL | ORPHAN :: else -> skip fi }      /* T11 */
     :: (s & TERMINAL) && !destroyed ->
#ifdef M_THENEARLY                      /* the list is answered before the callable is gone */
        lock(r);
        atomic { ended[r] = 1; cont = first[r]; first[r] = NONE };
        unlock(r);
        if :: cont != NONE -> T1(cont) :: else -> skip fi;
#endif
        atomic { assert(g_callable[r] && g_running[r] == 0); g_callable[r] = 0 };
#ifndef M_THENEARLY
        lock(r);
        atomic { ended[r] = 1; cont = first[r]; first[r] = NONE };
        unlock(r);
#endif
        destroyed = 1
     :: else ->
        if
        :: s & WAITED ->
           lock(r);
           atomic { s = word[r]; if :: (s & TERMINAL) && !destroyed -> won = 0 :: else -> won = 1; word[r] = s & (255 - CALLING - WAITED) fi };
           if
           :: won ->
              ends[r]++;
              atomic { i = 0; do :: i < NTHREADS -> woken[i] = 1; i++ :: else -> break od; i = 0 };
              unlock(r); break
           :: else -> unlock(r)
           fi
        :: else ->
           atomic { if :: word[r] == s -> word[r] = s & (255 - CALLING); break :: else -> skip fi }
        fi
     fi
  od;
  if :: (s & (TERMINAL | ORPHAN)) == (TERMINAL | ORPHAN) -> release(r) :: else -> skip fi;
  if :: cont != NONE -> start_continuations(cont) :: else -> skip fi;
  atomic { s = 0; cont = NONE; destroyed = 0; won = 0 }
}
inline start_continuations(f) {
  lock(f);
#ifndef M_THENCHAIN                     /* the end of one continuation does not start the next */
  atomic { first[f] = next[f]; next[f] = NONE };
#endif
  unlock(f);
  T1(f);
#ifdef M_NOU4
  skip
#else
  atomic { due = after };                                                 /* U4 */
#endif
  q = f
}

/* A call that this thread has claimed; then, after a shutdown, what its end has made due. */
inline call(r) {
  atomic { assert(g_callable[r] && g_running[r] == 1); g_running[r]-- };
  finish(r)
}
inline run_continuations(flagged) {
#ifndef M_U3LATE
  if :: flagged -> skip :: else -> after = 1 fi;                          /* U3 */
#endif
  again = 1;
  do
  :: again ->
     again = 0; rc = 0;
     do
     :: rc < handed ->
        if
        :: OPEN(rc) ->
           lock(rc);
#ifdef M_STALEARM                       /* armed after the lock was let go */
           due = OPEN(rc) && tenure[rc] == CONTINUATION && (word[rc] & (PENDING | FAR)) == (PENDING | FAR);
           won = OPEN(rc) && tenure[rc] == CONTINUATION && (word[rc] & PENDING);
           unlock(rc);
           if :: due -> T1(rc) :: else -> skip fi;
#else
           won = OPEN(rc) && tenure[rc] == CONTINUATION && (word[rc] & PENDING);
           if
           :: won && (word[rc] & FAR) -> T1(rc)
           :: else -> skip
           fi;
           unlock(rc);
#endif
           due = 0;
           if :: won -> T4(rc) :: else -> skip fi;
           if
           :: won -> call(rc); again = 1
           :: else -> skip
           fi;
           won = 0
        :: else -> skip
        fi;
        rc++
     :: else -> break
     od
  :: else -> break
  od;
#ifdef M_U3LATE                         /* the scan comes before the flag */
  if :: flagged -> skip :: else -> after = 1 fi;
#endif
  atomic { again = 0; rc = 0; due = 0; q = NONE }
}

/* What start_continuations does last: after a shutdown nobody else would run it. */
inline run_if_due() {
  if :: due -> due = 0; run_continuations(1) :: else -> skip fi;
  q = NONE
}

inline await(r, me) {
  lock(r);
  atomic { won = (word[r] & CALLING) != 0; if :: won -> word[r] = word[r] | WAITED :: else -> skip fi; c = ends[r] };
  unlock(r);
  if
  :: won ->
     do
     :: woken[me] = 0;
        if :: ends[r] != c -> break :: else -> skip fi;
        woken[me]
     od
  :: else -> skip
  fi;
  c = 0; won = 0
}

/* core::reserve and core::open of record r. */
inline create(r, who, target) {
  atomic { !g_used[r] -> g_used[r] = 1; if :: handed <= r -> handed = r + 1 :: else -> skip fi };
  tenure[r] = who;                      /* cold part; published by T8 */
#ifdef M_U2EARLY                        /* whether creation is refused is asked before the lock */
  again = refusing && tenure[r] != CONTINUATION;
  lock(r);
#else
  lock(r);
  again = refusing && tenure[r] != CONTINUATION;                          /* U2 */
#endif
  atomic {
    ended[r] = 0; first[r] = NONE; next[r] = NONE;
    g_callable[r] = 1; g_tenant[r]++; g_target[r] = target;
    if :: (target) != 0 -> g_of[r] = g_tenant[(target) - 1] :: else -> skip fi;
    word[r] = (again -> TERMINAL | CALLING : 0)                            /* T8 */
  };
  unlock(r);
  if :: again -> again = 0; finish(r) :: else -> skip fi
}
/* The handle's close_then: record r becomes the continuation. */
inline close_then(target, r) {
  create(r, CONTINUATION, (target) + 1);
  g_accepted++;
#ifdef M_THENLOOK                       /* whether the target has ended is asked before its lock */
  ours = ended[target];
  lock(target);
#else
  lock(target);
  ours = ended[target];
#endif
  atomic {
    if
    :: !ours ->
       if
       :: first[target] == NONE -> first[target] = r
       :: else -> next[first[target]] = r
       fi
    :: else -> skip
    fi
  };
  unlock(target);
  if
  :: ours -> start_continuations(r)
  :: else ->
     T3(target, 0);
     if :: ours -> finish(target) :: else -> skip fi
  fi;
  ours = 0;
  run_if_due()
}

inline resolve() {                      /* T3 on all but continuations */
  rc = 0;
  do
  :: rc < handed ->
     ours = 0;
     if
     :: OPEN(rc) ->
        lock(rc);
        if
#ifdef M_WITHDRAWN                      /* continuations too */
        :: OPEN(rc) -> T3(rc, (tenure[rc] == HANDLE -> 0 : ORPHAN))
#else
        :: OPEN(rc) && tenure[rc] != CONTINUATION -> T3(rc, 0)
#endif
        :: else -> skip
        fi;
        unlock(rc);
        if :: ours -> finish(rc) :: else -> skip fi
     :: else -> skip
     fi;
     rc++
  :: else -> break
  od;
  atomic { rc = 0; ours = 0 }
}
inline await_all(me) {
  rc = 0;
  do
  :: rc < handed -> if :: word[rc] & CALLING -> await(rc, me) :: else -> skip fi; rc++
  :: else -> break
  od;
  rc = 0
}

proctype Worker(byte me) {
  LOCALS; byte r;
  q = NONE; cont = NONE;
end_idle:
  do
  :: atomic {
       if
       :: DUE(0) && !over -> r = 0
       :: DUE(1) && !over -> r = 1
#if NR > 2
       :: DUE(2) && !over -> r = 2
#endif
       fi;
       if
       :: true -> won = 0
#if DROPS
       :: tenure[r] == CONTINUATION -> won = 1
#endif
       fi
     };
#if DROPS
     if
     :: won ->                          /* T12; in this stale entry the record may be another tenant's by now */
        won = 0;
        lock(r);
        atomic {
          if
#ifdef M_DROPCONT                       /* a continuation is withdrawn like any firing */
          :: DUE(r) && tenure[r] == CONTINUATION -> word[r] = word[r] & WAITED; due = after
#else
          :: DUE(r) && tenure[r] == CONTINUATION -> word[r] = PENDING | FAR | (word[r] & WAITED); due = 1
#endif
          :: else -> skip
          fi
        };
        unlock(r);
#ifndef M_STRANDED                      /* who dropped it after a shutdown does not run it either */
        if :: due -> due = after :: else -> skip fi;
#else
        due = 0;
#endif
        run_if_due()
     :: else ->
#endif
     T4(r);
     if
     :: won -> call(r); run_if_due()
     :: else -> skip
     fi;
     won = 0;
#if DROPS
     fi;
#endif
     r = 0
  od
}

#if SHUTS
proctype Shutdown(byte me) {
  LOCALS;
  q = NONE; cont = NONE;
  refusing = 1;                                                           /* U1, then every lock once */
#ifndef M_NOLOCKS
  rc = 0;
  do :: rc < NR -> lock(rc); unlock(rc); rc++ :: else -> break od;
  rc = 0;
#endif
  resolve();
  run_if_due();
  await_all(me);
  run_continuations(0);
  await_all(me);
  over = 1;
  clients--
}
#endif

#if SC == 51 || SC == 52 || SC == 55
proctype Closer(byte cr) {
  LOCALS;
  q = NONE; cont = NONE;
  close_then(0, cr);
  clients--
}
#endif
#if SC == 53
/* Record 1 is a continuation that was dropped, and after that the continuation of record 0's next tenant. */
proctype Closer() {
  LOCALS;
  q = NONE; cont = NONE;
  !g_used[1];
  atomic { ended[0] = 0; g_callable[0] = 1; g_tenant[0]++; first[0] = NONE; word[0] = 0 };
  create(1, CONTINUATION, 1);
  g_accepted++;
  lock(0); first[0] = 1; unlock(0);
  T3(0, 0);
  if :: ours -> finish(0) :: else -> skip fi;
  ours = 0;
  run_if_due();
  clients--
}
proctype Other() {                      /* another thread that ended something after the shutdown, and runs what is due */
  LOCALS;
  q = NONE; cont = NONE;
  after;
  run_continuations(1);
  clients--
}
#endif
#if SC == 54
proctype Creator() {
  LOCALS;
  q = NONE; cont = NONE;
  create(1, HANDLE, 0);
  if :: true -> T1(1) :: true -> skip fi;
  g_free = 1;
  clients--
}
#endif

init {
  atomic {
    g_used[0] = 1; g_callable[0] = 1; g_tenant[0] = 1; handed = 1; first[0] = NONE; next[0] = NONE;
    first[1] = NONE; next[1] = NONE; word[1] = TERMINAL; ended[1] = 1;
#if NR > 2
    first[2] = NONE; next[2] = NONE; word[2] = TERMINAL; ended[2] = 1;
#endif
    word[0] = PENDING;
#if SC == 51
    clients = 2;
    run Worker(0); run Worker(1); run Closer(1); run Closer(2);
#elif SC == 52
    clients = 2;
    run Worker(0); run Closer(1); run Shutdown(2);
#elif SC == 55
    clients = 3;
    run Worker(0); run Closer(1); run Closer(2); run Shutdown(3);
#elif SC == 53
    clients = 3;
    g_used[1] = 1; g_callable[1] = 1; tenure[1] = CONTINUATION; g_tenant[1] = 1; g_target[1] = 1; g_of[1] = 0;
    ended[1] = 0; word[1] = PENDING | FAR; handed = 2; g_accepted = 1;
    word[0] = TERMINAL; ended[0] = 1; g_callable[0] = 0;
    run Closer(); run Other(); run Shutdown(2);
#else
    clients = 2;
    run Worker(0); run Creator(); run Shutdown(2);
#endif
  };
  clients == 0 && g_ran == g_accepted && !(word[0] & CALLING) && !(word[1] & CALLING);
#if SC == 54
  assert(!g_callable[0] && (!g_callable[1] || !g_free) && g_running[1] == 0)
#else
  assert(!g_callable[1]);
  assert(g_ran == g_accepted)
#endif
}
