/* cycles: callbacks that wait for each other's timers, and the wait graph that refuses the wait which closes a cycle.
 *
 * NC threads, each inside the call of the timer of its number; every one closes up to two timers and waits for their
 * calls: close_and_wait, core::sleep_until_over, registered_wait (src/lifetime/calls.cpp). Outside every callback, one
 * more thread waits. A cycle that is not refused is an invalid end state; a refusal without a cycle is an assertion.
 *
 * SC 31: two callbacks that make two waits each, in two calls each. 32: three callbacks. 34: four. 33: three callbacks, the first of which has
 * called the second's timer on its own stack (the destruction of a callable inside a callback).
 */
#if SC == 31
#define NC 2
#define WAITS 2
#define CALLS 2
#elif SC == 34
#define NC 4
#define WAITS 1
#else
#define NC 3
#define WAITS 1
#endif
#ifndef CALLS
#define CALLS 1
#endif
#define NT (NC + 1)                     /* timers: one for each thread, and one that 33 destroys inside a call */

bit  calling[NT], waited[NT];           /* state words */
byte ends[NT];                          /* X1 */
bit  woken[NC + 1];                     /* the bucket's epoch has moved since this thread looked */
byte frames[NC];                        /* set of timers whose calls this thread makes */
byte target[NC], since[NC];             /* a wait that is entered: timer + 1, and its ends */
bit  visited[NC];

#define BIT(t) (1 << (t))
#define COVERED(w, t) ((frames[w] & BIT(t)) != 0)
#ifdef M_NOTOVER                        /* a wait that has been answered, whose thread still sleeps, holds everybody up */
#define BLOCKED(w) (target[w] != 0)
#else
#define BLOCKED(w) (target[w] != 0 && ends[target[w] - 1] == since[w])
#endif
#define REALLY(w) (target[w] != 0 && ends[target[w] - 1] == since[w])

/* registered_wait: the walk from timer t over blocked waits to a call of thread `me`, under the graph's lock. */
inline enter(me, t) {
  d_step {
    from = BIT(t); i = 0;
    do :: i < NC -> visited[i] = 0; i++ :: else -> break od;
    do                                  /* `from`: timers reached so far */
    :: i = 0; grown = 0;
       do
       :: i < NC ->
          if
          :: !visited[i] && i != me && BLOCKED(i) && (frames[i] & from) != 0 ->
             visited[i] = 1;
#ifdef M_ONEHOP                         /* only who is waited for directly is looked at */
             if :: from == BIT(t) -> grown = BIT(target[i] - 1) :: else -> skip fi;
#else
             from = from | BIT(target[i] - 1); grown = 1;
#endif
          :: else -> skip
          fi;
          i++
       :: else -> break
       od;
#ifdef M_ONEHOP
       from = from | grown; break
#else
       if :: grown -> skip :: else -> break fi
#endif
    od;
    refused = (from & frames[me]) != 0;
#ifdef M_XWAIT3                        /* nobody walks */
    refused = 0;
#endif
    if
    :: refused ->
       /* The same over the truth: every wait on the way is for a call that is still in progress. */
       from = BIT(t);
       do
       :: i = 0; grown = 0;
          do
          :: i < NC ->
             if
             :: i != me && REALLY(i) && (frames[i] & from) != 0 && (from & BIT(target[i] - 1)) == 0 ->
                from = from | BIT(target[i] - 1); grown = 1
             :: else -> skip
             fi;
             i++
          :: else -> break
          od;
          if :: grown -> skip :: else -> break fi
       od;
       assert((from & frames[me]) != 0)
    :: else -> target[me] = t + 1; since[me] = c
    fi;
    from = 0; i = 0; grown = 0
  }
}

/* close_and_wait of timer t by thread `me`; inside: within a callback. */
inline close_and_wait(me, t, inside) {
  if
#ifndef M_SELFWAIT2
  :: inside && COVERED(me, t) -> skip                                     /* from_callback */
  :: !(inside && COVERED(me, t)) ->
#else
  :: true ->
#endif
     atomic {                                                             /* T7 and the count, under the registry lock */
       if :: calling[t] -> waited[t] = 1; c = ends[t]; busy = 1 :: else -> busy = 0 fi
     };
     if
     :: busy && ends[t] == c ->
        if
#ifdef M_SELFWAIT2
        :: inside && !COVERED(me, t) -> enter(me, t)
#else
        :: inside -> enter(me, t)
#endif
        :: else -> skip
        fi;
        if
        :: refused -> refused = 0
        :: else ->
           do
           :: woken[me] = 0;
              if :: ends[t] != c -> break :: else -> skip fi;
              woken[me]
           od;
           if :: inside -> atomic { target[me] = 0; since[me] = 0 } :: else -> skip fi
        fi
     :: else -> skip
     fi;
     atomic { c = 0; busy = 0 }
  fi
}

inline finish(t) {                      /* T5; with `waited` one step with the count */
  if
  :: atomic { waited[t] -> calling[t] = 0; waited[t] = 0; ends[t]++ };
     atomic { i = 0; do :: i <= NC -> woken[i] = 1; i++ :: else -> break od; i = 0 }
  :: atomic { !waited[t] -> calling[t] = 0 }
  fi
}

proctype Call(byte me) {
  byte c, n, t, calls, from, i; bit busy, refused, grown;
  do
  :: calls < CALLS ->
     calls++;
     atomic { calling[me] = 1; frames[me] = BIT(me) };
#if SC == 33
     if                                 /* a capture is destroyed inside this callback: a call on this very stack */
     :: me == 0 -> atomic { calling[NC] = 1; frames[0] = frames[0] | BIT(NC) }
     :: else -> skip
     fi;
#endif
     do
     :: n < WAITS -> n++;
        select (t : 0 .. NT - 1);
        close_and_wait(me, t, 1);
        t = 0
     :: break
     od;
     n = 0;
#if SC == 33
     if
     :: me == 0 -> finish(NC); frames[0] = frames[0] & (255 - BIT(NC))
     :: else -> skip
     fi;
#endif
     finish(me);
     frames[me] = 0
  :: else -> break
  od
}

proctype Outside() {
  byte c, t, from, i; bit busy, refused, grown;
  select (t : 0 .. NT - 1);
  close_and_wait(NC, t, 0)
}

init {
  byte i;
  atomic {
    do :: i < NC -> run Call(i); i++ :: else -> break od;
    i = 0;
    run Outside()
  }
}
