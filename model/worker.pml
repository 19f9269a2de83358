/* worker: what a worker (adapters/worker) touches without its lock. Not the timers' protocol: nothing of it is here.
 *
 * SC 81: the batch. Four items; the worker's thread goes from one to the next without the lock, two others recall, look
 * and take items out, a third posts the last one. Steps: worker_core::run_batch, recall, end_item (worker.cpp). Every
 * item runs once or is taken out, and what a recall finds adds up and is what runs.
 *
 * SC 82: the waits. Two workers call each other; the queue of worker 1 is full, and worker 1 may be stopped in the task
 * it is in. Steps: worker_core::call, enqueue, settle, wait_mark. A cycle that nobody refuses is an invalid end state, a
 * refusal without one an assertion.
 *
 * SC 83: blocks for items. Two posters, and the thread whose items end. Steps: take_block, lay_out_block, keep_block. A
 * block has one user, and none is lost.
 *
 * SC 84: the end of a subscription. One worker's thread calls its function, which may wait for the other worker, in
 * whose task the subscription ends. Steps: begin_notice, end_notice, forget, awaited_call. A cycle that nobody is told
 * of is an invalid end state; once the destructor has returned no call begins, and unless it was told, none is in
 * progress; the function goes once.
 */
#define lock(l) atomic { !l -> l = 1 }
#define unlock(l) l = 0
#define NONE 15

#if SC == 81
#define NI 4
#define BIT(i) (1 << (i))
bit  guarded;                           /* the worker's lock. Under it: */
byte queue, batch;                      /* sets of items; their order is that of their numbers */
byte done, taken, accepted;
byte current = NONE;
byte begun;                             /* 0 none, else 1 + a place */
byte item[2], before[2];                /* the places */
byte chain[NI];                         /* an item's next, as the batch was taken */
bit  ran[NI], gone[NI];
byte g_in = NONE;                       /* the item begun last, by the very step that begins it */

inline recall() {
#ifdef M_RECALLREADS                    /* a recall reads the place, and leaves it */
  last = begun;
#else
  d_step { last = begun; begun = 0 };                                      /* J3 */
#endif
  if
  :: last != 0 ->
     current = item[last - 1];
     done = done + before[last - 1];
     assert(current == g_in);
     d_step { queue = queue | (batch & ~(BIT(current + 1) - 1)); batch = 0; last = 0 }
  :: else -> skip
  fi
}
#define IN(s) (((s) & 1) + (((s) >> 1) & 1) + (((s) >> 2) & 1) + (((s) >> 3) & 1))
#define ADDS_UP (accepted == done + taken + IN(queue) + (current != NONE))

inline take(i) {                        /* the first at or after i */
  d_step {
    do
    :: i < NI && !(queue & BIT(i)) -> i++
    :: else -> break
    od;
    if
    :: i < NI -> queue = queue & ~BIT(i); taken++; gone[i] = 1
    :: else -> skip
    fi;
    i = 0
  }
}

proctype Worker() {
  byte at, other, mine, count, i, last; bit stepped;
  do
  :: atomic { !guarded && (queue != 0 || done + taken == NI) -> guarded = 1 };
     if :: queue == 0 -> break :: else -> skip fi;
     d_step {
       batch = queue; queue = 0;
       i = NI; mine = NONE;
       do
       :: i > 0 -> i--; if :: batch & BIT(i) -> chain[i] = mine; mine = i :: else -> skip fi
       :: else -> break
       od;
       at = 0; item[0] = mine; before[0] = 0; count = 0;
       begun = 1; g_in = mine                                              /* J1 */
     };
     unlock(guarded);
     do
     :: assert(!ran[mine] && !gone[mine]);
        ran[mine] = 1;
        stepped = 0;
        if
        :: chain[mine] != NONE ->
#ifdef M_ONEPLACE                       /* there is one place */
           other = at;
#else
           other = 1 - at;
#endif
           item[other] = chain[mine];
#ifndef M_COUNTLATE                     /* what was done before is written behind the step */
           before[other] = count + 1;
#endif
#ifdef M_STEPLOOK                       /* the step looks first, then writes */
           stepped = (begun == at + 1);
           if :: stepped -> atomic { begun = other + 1; g_in = chain[mine] } :: else -> skip fi;
#else
           atomic {
             if :: begun == at + 1 -> begun = other + 1; g_in = chain[mine]; stepped = 1 :: else -> skip fi   /* J2 */
           };
#endif
#ifdef M_COUNTLATE
           before[other] = count + 1;
#endif
        :: else -> skip
        fi;
        if
        :: stepped -> atomic { count++; at = other; mine = chain[mine] }
        :: else -> break
        fi
     od;
     lock(guarded);
#ifdef M_ENDBLIND                       /* the end of a batch counts for itself, whether it was recalled or not */
     d_step { done = done + count; current = mine; queue = queue | (batch & ~(BIT(mine + 1) - 1)); batch = 0; begun = 0 };
#else
     recall();
#endif
     assert(current == mine);
     done++; current = NONE;
     assert(ADDS_UP);
     unlock(guarded)
  od;
  assert(done + taken == NI);
  unlock(guarded)
}

proctype Recaller(byte from) {
  byte last, i;
  lock(guarded);
  recall();
  assert(ADDS_UP);
  i = from;
  take(i);
  assert(ADDS_UP);
  unlock(guarded)
}

proctype Poster() {
  byte last;
  lock(guarded);
  if :: recall() :: skip fi;            /* it does if its item comes before what is in the batch */
  atomic { queue = queue | BIT(NI - 1); accepted++ };
  unlock(guarded)
}

init {
  atomic { queue = BIT(NI - 1) - 1; accepted = NI - 1; run Worker(); run Recaller(1); run Recaller(2); run Poster() }
}
#endif

#if SC == 82
#define ANSWER 1
#define ROOM 2
bit  guarded[2];                        /* each worker's lock */
bit  crowded[2], called[2], stopping[2];   /* under it: an item that fills the queue; the other's call is queued */
bit  over[2];                           /* of the thread's own call (Z) */
byte room[2];                           /* Z */
byte mark[2];                           /* the wait that a thread has entered in the graph */
byte since[2];
byte g_waits[2];                        /* what a thread waits for, and nothing has been decided yet */
bit  g_refused[2];                      /* who was refused has no item in a queue */

#ifdef M_STANDS                         /* a mark stands until its thread wakes */
#define STANDS(t) (mark[t] != 0)
#else
#define STANDS(t) ((mark[t] == ANSWER && !over[t]) || (mark[t] == ROOM && room[1 - (t)] == since[t]))   /* Z3 */
#endif

/* wait_mark: under the graph's lock. With two workers, a cycle is that the other one waits, too. */
inline enter(kind) {
  d_step {
    refused = STANDS(1 - me);
#ifdef M_NOWALK                         /* nobody walks */
    refused = 0;
#endif
    assert(!refused || g_waits[1 - me] != 0);
    if
    :: !refused && kind != 0 -> mark[me] = kind; since[me] = room[1 - me]; g_waits[me] = kind
    :: else -> skip
    fi
  }
}
inline leave() { d_step { mark[me] = 0; since[me] = 0; g_waits[me] = 0 } }

inline call() {
#ifdef M_MARKEARLY                      /* the mark for the answer is made before there is room */
  over[me] = 0;
  enter(ANSWER);
#else
  enter(0);
#endif
  if
  :: refused -> skip
  :: else ->
     lock(guarded[1 - me]);
     do
     :: crowded[1 - me] && !stopping[1 - me] ->
#ifdef M_MARKEARLY
        d_step { since[me] = room[1 - me]; g_waits[me] = ROOM };
#else
        enter(ROOM);
        if :: refused -> break :: else -> skip fi;
#endif
        unlock(guarded[1 - me]);
        (room[1 - me] != since[me]);
        lock(guarded[1 - me]);
#ifndef M_MARKEARLY
        leave()
#else
        skip
#endif
     :: else -> break
     od;
     if
     :: refused || stopping[1 - me] -> unlock(guarded[1 - me])
     :: else ->
#if defined(M_MARKLATE)                 /* posting and the mark are two steps */
        over[me] = 0; called[1 - me] = 1;
        unlock(guarded[1 - me]);
        enter(ANSWER);
        g_refused[me] = refused;
#else
#ifdef M_MARKEARLY
        d_step { g_waits[me] = ANSWER; called[1 - me] = 1 };
#else
        over[me] = 0;
        enter(ANSWER);
        called[1 - me] = !refused;
#endif
        unlock(guarded[1 - me]);
#endif
        if :: !refused -> (over[me]) :: else -> skip fi
     fi;
     leave()
  fi;
  refused = 0
}

inline room_is_made() {
  d_step { room[me]++; if :: g_waits[1 - me] == ROOM -> g_waits[1 - me] = 0 :: else -> skip fi }
}

proctype Worker(byte me) {
  bit refused, mine;
  if
  :: me == 1 ->                         /* its task stops it */
     lock(guarded[1]);
     stopping[1] = 1;
     room_is_made();                                                       /* Z2 */
     unlock(guarded[1])
  :: true -> skip
  fi;
  if :: call() :: true -> skip fi;
end_idle:
  do
  :: crowded[me] -> lock(guarded[me]); atomic { room_is_made(); crowded[me] = 0 }; unlock(guarded[me])
  :: called[me] && !crowded[me] ->
     lock(guarded[me]); called[me] = 0; unlock(guarded[me]);
     assert(!g_refused[1 - me]);
     g_waits[1 - me] = 0;               /* the task has run; what comes next is done because of it */
#ifndef M_ANSWERLATE                    /* the answer is given behind what is done because of it */
     over[1 - me] = 1;                                                     /* Z1 */
#endif
     if :: !mine -> mine = 1; call() :: true -> skip fi;
#ifdef M_ANSWERLATE
     over[1 - me] = 1;
#endif
     skip
  od
}

init { atomic { crowded[1] = 1; run Worker(0); run Worker(1) } }
#endif

#if SC == 83
#define NB 4
bit  guarded;                           /* under it: */
chan queue = [NB] of { byte };
chan blocks = [NB] of { byte };
byte spare;                             /* F; 0 none, else a block */
byte made, spent, ended;                /* blocks the allocator gave; one that has ended and is not with the others */
bit  used[NB + 1];

inline post() {
#ifdef M_SPARELOOK                      /* who takes the block looks first, then writes */
  mine = spare; spare = 0;
#else
  d_step { mine = spare; spare = 0 };                                      /* F2 */
#endif
  atomic { if :: mine == 0 -> made++; mine = made :: else -> skip fi };
  assert(!used[mine]);
  used[mine] = 1;
  lock(guarded);
  queue!mine;
#ifdef M_LAYBLIND                       /* a block is laid out over another one */
  if :: nempty(blocks) -> blocks?spare :: empty(blocks) -> skip fi;
#else
  if :: nempty(blocks) && spare == 0 -> blocks?spare :: else -> skip fi;  /* F1 */
#endif
  unlock(guarded);
  mine = 0
}

proctype Poster() {
  byte mine;
  post(); post();
  ended++
}

proctype Worker() {
  byte mine;
  do
  :: atomic { !guarded && (nempty(queue) || ended == 2) -> guarded = 1 };
     if :: empty(queue) -> break :: nempty(queue) -> skip fi;
     if :: spent != 0 -> blocks!spent; spent = 0 :: else -> skip fi;
     queue?mine;
     unlock(guarded);
     used[mine] = 0;
     spent = mine; mine = 0
  od;
  assert(made == len(blocks) + (spare != 0) + (spent != 0))
}

init { atomic { run Poster(); run Poster(); run Worker() } }
#endif

#if SC == 84
#define EXPECTED 0
#define TELLING 1
#define OVER 2
bit  guarded;                           /* the lock of the worker that calls. Under it: */
byte stage;
bit  forgotten, abandoned;
byte calls_over;                        /* Z */
byte since;                             /* of the destructor's mark */
bit  caller_waits, ender_waits;         /* entered in the graph, whose lock each step below is */
bit  answered;                          /* Z: the task is over, and the call behind it is done */
bit  in_call, g_gone, g_told, caller_over;
byte g_freed;

#define ENDER_STANDS (ender_waits && calls_over == since)                  /* Z3 */
#define CALLER_STANDS (caller_waits && !answered)

proctype Caller() {
  byte calls; bit refused, last;
  do
  :: calls < 2 ->
     calls++;
     lock(guarded);
     if
#ifdef M_TELLBLIND                      /* a notice begins although the subscription ends */
     :: stage == EXPECTED ->
#else
     :: stage == EXPECTED && !forgotten ->
#endif
        stage = TELLING;
        unlock(guarded);
        assert(!g_gone);
        in_call = 1;
#ifdef M_OVEREARLY                      /* the call counts as over before it is */
        calls_over++;                                                      /* Z1 */
#endif
        if
        :: d_step {
             refused = ENDER_STANDS;
#ifdef M_NOFRAME                        /* the thread does not say what it calls */
             refused = 0;
#endif
             caller_waits = !refused
           };
           if :: !refused -> (answered) :: else -> skip fi;
           d_step { caller_waits = 0; refused = 0 }
        :: true -> skip
        fi;
        in_call = 0;
        lock(guarded);
        d_step {
          last = abandoned;
#ifdef M_KEEPS                          /* what was given up on in its call stays expected */
          last = 0;
#endif
          stage = (last -> OVER : EXPECTED);
          g_freed = g_freed + last;
#ifndef M_OVEREARLY
          calls_over++                                                     /* Z1 */
#endif
        };
        unlock(guarded)
     :: else -> unlock(guarded)
     fi
  :: else -> break
  od;
  caller_over = 1
}

proctype Ender() {
  bit refused;
  lock(guarded);
  forgotten = 1;
  if
  :: stage == TELLING ->
     since = calls_over;
     unlock(guarded);
     d_step {
       refused = CALLER_STANDS;
#ifdef M_NOFRAME
       refused = 0;
#endif
       ender_waits = !refused; g_told = refused
     };
     lock(guarded);
     if
     :: refused && stage == TELLING -> abandoned = 1
     :: else ->
        do
        :: calls_over == since -> unlock(guarded); (calls_over != since); lock(guarded)
        :: else -> break
        od
     fi;
     ender_waits = 0
  :: else -> skip
  fi;
  if
  :: abandoned -> skip
  :: else -> assert(!in_call); assert(stage != TELLING); stage = OVER; g_freed++
  fi;
  unlock(guarded);
  g_gone = 1;
  assert(!in_call || g_told);
  answered = 1;                         /* the task is over */
  (caller_over);
  assert(g_freed == 1)
}

init { atomic { run Caller(); run Ender() } }
#endif
