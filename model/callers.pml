/* callers: several callers of one service's shutdown, and the wait graph between them.
 *
 * Threads 0 and 1 are inside callbacks of the service, thread 2 is inside a callback of another one, thread 3 is outside
 * every callback. The first caller resolves and waits for the calls; later ones wait for the first. Steps:
 * core::shutdown, core::await_shutdown (shutdown.cpp), core::await_calls (waiting.cpp), registered_wait (calls.cpp).
 * Who is not told, and a cycle that is not refused, are invalid end states; a refusal without a cycle is an assertion.
 *
 * SC 71: all may call shutdown, or wait for a call of another thread.
 */
#define NC 3                            /* threads inside a callback; the call of a timer of the same number */
#define NTHREADS 4
#define OWN 3                           /* the set of the service's own calls: threads 0 and 1 */
#define BIT(t) (1 << (t))

bit  calling[NC], waited[NC];
byte ends[NC];                          /* X1 */
bit  woken[NTHREADS];                   /* an eventcount's epoch has moved since this thread looked */
bit  begun, resolved, over;
byte target[NC], since[NC];             /* a wait that is entered: the set of calls it covers; of one call: its ends */
bit  whole[NC];                         /* it is a wait for the shutdown */
bit  visited[NC];

#define ENDED(w) (whole[w] -> over : ((target[w] == 1 && ends[0] != since[w]) || \
                                      (target[w] == 2 && ends[1] != since[w]) || \
                                      (target[w] == 4 && ends[2] != since[w])))
#define REALLY(w) (target[w] != 0 && !(ENDED(w)))
#ifdef M_NEVEROVER                      /* a wait for a shutdown that is over holds everybody up until its thread wakes */
#define BLOCKED(w) (target[w] != 0 && (whole[w] || !(ENDED(w))))
#else
#define BLOCKED(w) REALLY(w)
#endif

inline tell() { atomic { woken[0] = 1; woken[1] = 1; woken[2] = 1; woken[3] = 1 } }

#define SPREAD(holds) \
  do \
  :: i = 0; grown = 0; \
     do \
     :: i < NC -> \
        if \
        :: !visited[i] && i != me && holds(i) && (BIT(i) & from) != 0 -> visited[i] = 1; from = from | target[i]; grown = 1 \
        :: else -> skip \
        fi; \
        i++ \
     :: else -> break \
     od; \
     if :: grown -> skip :: else -> break fi \
  od

/* registered_wait: under the graph's lock. */
inline enter(set, shut) {
  d_step {
    visited[0] = 0; visited[1] = 0; visited[2] = 0;
    from = set;
    SPREAD(BLOCKED);
    refused = (from & BIT(me)) != 0;
#ifdef M_XSHUT                          /* nobody walks */
    refused = 0;
#endif
    if
    :: refused ->
       visited[0] = 0; visited[1] = 0; visited[2] = 0;
       from = set;
       SPREAD(REALLY);
       assert((from & BIT(me)) != 0)
    :: else -> target[me] = set; since[me] = c; whole[me] = shut
    fi;
    from = 0; i = 0; grown = 0; visited[0] = 0; visited[1] = 0; visited[2] = 0
  }
}
inline leave() { if :: me < NC -> atomic { target[me] = 0; since[me] = 0; whole[me] = 0 } :: else -> skip fi }

/* Waits for the call `t`, in the graph if inside a callback. */
inline await_call(t) {
  atomic { if :: calling[t] -> waited[t] = 1; c = ends[t]; busy = 1 :: else -> busy = 0 fi };    /* T7 */
  if
  :: busy && ends[t] == c ->
     if :: me < NC -> enter(BIT(t), 0) :: else -> skip fi;
     if
     :: refused -> skip
     :: else ->
        do
        :: woken[me] = 0;
           if :: ends[t] != c -> break :: else -> skip fi;
           woken[me]
        od;
        leave()
     fi
  :: else -> skip
  fi;
  atomic { c = 0; busy = 0 }
}

inline shutdown() {
  atomic { first = !begun; begun = 1; late = over };
  if
  :: first ->
     resolved = 1;
     t = 0;
     do
     :: t < 2 && !refused -> if :: t != me -> await_call(t) :: else -> skip fi; t++
     :: else -> break
     od;
     refused = 0;
     over = 1;
#ifndef M_FIRSTSILENT                   /* later callers are not told */
     tell()
#else
     skip
#endif
  :: else ->
     if
     :: late -> skip
     :: else ->
#ifdef M_OVERLOOK                       /* whether it is over is asked before the ticket is taken, and not again */
        if :: over -> late = 1 :: else -> skip fi;
        woken[me] = 0;
#endif
        entered = 0;
        do
        ::
#ifdef M_OVERLOOK
           if :: late -> break :: else -> skip fi;
#else
           woken[me] = 0;
           if :: over -> break :: else -> skip fi;
#endif
           if
           :: me < NC && !entered -> enter(OWN, 1); entered = 1
           :: else -> skip
           fi;
           if :: refused -> break :: else -> skip fi;
           woken[me];
#ifdef M_OVERLOOK
           late = 1
#endif
        od;
        if :: entered && !refused -> leave() :: else -> skip fi
     fi
  fi;
  atomic { t = 0; first = 0; late = 0; entered = 0; refused = 0 }
}

inline finish() {                       /* T5 */
  if
  :: atomic { waited[me] -> calling[me] = 0; waited[me] = 0; ends[me]++ };
     tell()
  :: atomic { !waited[me] -> calling[me] = 0 }
  fi
}

proctype Call(byte me) {
  byte c, t, from, i; bit busy, refused, grown, first, late, entered;
  atomic { if :: me == 2 || !resolved -> calling[me] = 1 :: resolved -> goto out fi };
  if
  :: shutdown();
     if                                 /* the first caller's own call outlasts the shutdown */
     :: me == 0 -> await_call(2); refused = 0
     :: true -> skip
     fi
  :: me != 0 -> await_call(0); refused = 0
  :: me != 1 -> await_call(1); refused = 0
  :: me != 2 -> await_call(2); refused = 0
  fi;
  finish();
out:
  skip
}
proctype Outside(byte me) {
  byte c, t, from, i; bit busy, refused, grown, first, late, entered;
  shutdown()
}

init { atomic { run Call(0); run Call(1); run Call(2); run Outside(3) } }
