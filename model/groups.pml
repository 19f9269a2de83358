/* groups: closing and waiting for many timers, beside their creation, firing, destruction and the reuse of a record.
 *
 * A record is its word, its place in the group's lists and its count of ends; when it is due is left open: what is
 * pending may be claimed at any time. Steps: grouping.cpp, closing.cpp, waiting.cpp (wait_group).
 *
 * SC 41: a group is closed and waited for beside the creation of a member; one member's captures own the handle of the
 * other. 42: from inside a member's callback and by the group's destructor at once. 43: a member's record gets its
 * next tenant, a stranger whose call waits for the waiter.
 */
#define NR 2
#define NW 2
#define NTHREADS 4                      /* workers, then clients */
#define PENDING  1
#define CALLING  2
#define WAITED   4
#define TERMINAL 8
#define ORPHAN  16

byte word[NR], ends[NR];
bit  regist[NR], tree;
byte list[NR];                          /* 0 none, 1 members, 2 closed members */
bit  groupclosed;
bit  woken[NTHREADS];
byte frames[NTHREADS];                  /* calls this thread makes */
bit  returned;

bit  g_ingroup[NR];                     /* the tenant is a member */
bit  g_used[NR], g_callable[NR];
byte g_running[NR];
byte clients;

#define BIT(r) (1 << (r))
#define lock(l) atomic { !l -> l = 1 }
#define unlock(l) l = 0
#define OWNED 1                         /* record 1's handle is among the captures of record 0, if SC 41 */
#define LOCALS byte c, i, from, least; bit ours, busy, born

inline count_end(r) {
  ends[r]++;
  atomic { woken[0] = 1; woken[1] = 1; woken[2] = 1; woken[3] = 1 }
}
inline T3(r, orphan) {                  /* `ours` or `busy` */
  atomic {
    ours = 0; busy = (word[r] & CALLING) != 0;
    if
    :: word[r] & TERMINAL -> skip
    :: else -> ours = !busy; word[r] = TERMINAL | CALLING | (word[r] & WAITED) | (orphan)
    fi
  }
}
inline release(r) {
  lock(tree);
  list[r] = 0;
  unlock(tree);
  atomic { !regist[r] -> assert(!(word[r] & CALLING) && !g_callable[r]); g_used[r] = 0; g_ingroup[r] = 0 }
}
inline T5(r) {                          /* under a terminal word the callable is gone by now */
  if
  :: atomic { !(word[r] & WAITED) -> word[r] = word[r] & (255 - CALLING) }
  :: atomic { (word[r] & WAITED) && !regist[r] -> regist[r] = 1 };
     word[r] = word[r] & (255 - CALLING - WAITED);
     count_end(r);
     unlock(regist[r])
  fi;
  if :: (word[r] & (TERMINAL | ORPHAN)) == (TERMINAL | ORPHAN) -> release(r) :: else -> skip fi
}
inline sleep(r, me) {
  do
  :: woken[me] = 0;
     if :: ends[r] != c -> break :: else -> skip fi;
     woken[me]
  od;
  c = 0
}
inline T7(r) {                          /* under the registry lock */
  atomic {
    busy = (word[r] & CALLING) != 0;
    if :: busy -> word[r] = word[r] | WAITED :: else -> skip fi;
    c = ends[r]
  }
}

inline end_leaf(r, me) {
  frames[me] = frames[me] | BIT(r);
  atomic { assert(g_running[r] == 0 && g_callable[r]); g_callable[r] = 0 };
  T5(r);
  frames[me] = frames[me] & (255 - BIT(r))
}
/* The destructor of the handle of `r`, whose captures own nothing. */
inline destroy(r, me) {
  T3(r, 0);
  if
  :: ours -> end_leaf(r, me)
  :: busy && !(frames[me] & BIT(r)) ->
     lock(regist[r]);
     T7(r);
     unlock(regist[r]);
     if :: busy -> sleep(r, me) :: else -> c = 0 fi
  :: else -> skip
  fi;
  ours = 0; busy = 0;
  if
  :: atomic { word[r] & CALLING -> word[r] = word[r] | ORPHAN }
  :: else -> release(r)
  fi
}
inline destroy_captures(r, me) {
#if SC == 41
  if :: r == 0 -> destroy(OWNED, me) :: else -> skip fi
#else
  skip
#endif
}
inline end_here(r, me) {
  frames[me] = frames[me] | BIT(r);
  atomic { assert(g_running[r] == 0 && g_callable[r]); g_callable[r] = 0 };
  destroy_captures(r, me);
  T5(r);
  frames[me] = frames[me] & (255 - BIT(r))
}

/* core::close_group: one member at a time that is this thread's to end. */
inline close_group(me) {
  do
  :: lock(tree);
     groupclosed = 1; i = 0; ours = 0; born = 0;
     do
     :: i < NR && !ours ->
        if
        :: list[i] == 1 ->
#ifdef M_UNLISTED                       /* a closed member leaves the group: nobody waits for its call */
           list[i] = 0;
#else
           list[i] = 2;
#endif
           T3(i, 0);
#ifdef M_ALLATONCE                      /* this thread holds `calling` of several members at once */
           if :: ours -> from = from | BIT(i) :: else -> skip fi;
           ours = 0;
#endif
           if :: ours -> break :: else -> skip fi
        :: else -> skip
        fi;
        i++
     :: else -> break
     od;
     unlock(tree);
     if
     :: ours -> end_here(i, me)
     :: else -> break
     fi
  od;
#ifdef M_ALLATONCE
  i = 0;
  do
  :: i < NR -> if :: from & BIT(i) -> end_here(i, me) :: else -> skip fi; i++
  :: else -> break
  od;
#endif
  i = 0; from = 0; ours = 0; busy = 0
}
/* core::wait_group: by ascending index, each member once. */
inline wait_group(me) {
  from = 0;
  do
  :: lock(tree);
     least = NR; i = NR;
     do
     :: i > from ->
        i--;
        if
#ifdef M_OWNCALL                        /* a callback waits for itself */
        :: list[i] != 0 && (word[i] & CALLING) -> least = i
#else
        :: list[i] != 0 && !(frames[me] & BIT(i)) && (word[i] & CALLING) -> least = i
#endif
        :: else -> skip
        fi
     :: else -> break
     od;
     if
     :: least == NR -> unlock(tree); break
     :: else ->
        i = least; from = least + 1;
#ifdef M_NOTREE                         /* the tree's lock is let go before the member is marked */
        unlock(tree);
        lock(regist[i]);
        T7(i);
        unlock(regist[i]);
#else
        lock(regist[i]);
        T7(i);
        unlock(regist[i]);
        unlock(tree);
#endif
        if :: busy -> sleep(i, me) :: else -> c = 0 fi
     fi
  od;
  from = 0; i = 0; least = 0; busy = 0
}

/* core::open in a group: joining and T8 are one step to whoever closes the group. */
inline create(r, me) {
#ifdef M_BORN                           /* whether the group is closed is asked before its lock is there */
  born = groupclosed;
  lock(tree);
#else
  lock(tree);
  born = groupclosed;
#endif
  if :: born -> skip :: else -> list[r] = 1 fi;
  atomic { !regist[r] -> g_used[r] = 1; g_callable[r] = 1; g_ingroup[r] = !born; word[r] = (born -> TERMINAL | CALLING : 0) };
  unlock(tree);
  if
  :: born -> end_here(r, me)
  :: else -> skip
  fi;
  born = 0
}
inline arm(r) { atomic { if :: word[r] & TERMINAL -> skip :: else -> word[r] = word[r] | PENDING fi } }

#define QUIET(r) (!g_ingroup[r] || g_running[r] == 0 && !g_callable[r])

inline callback(r, me) {
#if SC == 42
  if
  :: r == 0 -> close_group(me); wait_group(me); assert(QUIET(1))
  :: else -> skip
  fi
#elif SC == 43
  if :: !g_ingroup[r] -> returned :: else -> skip fi
#else
  skip
#endif
}

proctype Worker(byte me) {
  LOCALS; byte r;
end_idle:
  do
  :: atomic {
       if
       :: (word[0] & (PENDING | CALLING | TERMINAL)) == PENDING -> r = 0
       :: (word[1] & (PENDING | CALLING | TERMINAL)) == PENDING -> r = 1
       fi;
       word[r] = CALLING | (word[r] & WAITED);                            /* T4 */
       assert(g_callable[r] && g_running[r] == 0);
       assert(!(returned && g_ingroup[r]));
       g_running[r]++;
       frames[me] = BIT(r)
     };
     callback(r, me);
     atomic { assert(g_callable[r]); g_running[r]-- };
     do                                 /* T5, and before it the callable's end under a terminal word */
     :: word[r] & TERMINAL ->
        atomic { assert(g_callable[r]); g_callable[r] = 0 };
        destroy_captures(r, me);
        T5(r); break
     :: atomic { !(word[r] & (TERMINAL | WAITED)) -> word[r] = word[r] & (255 - CALLING) }; break
     :: atomic { (word[r] & WAITED) && !(word[r] & TERMINAL) && !regist[r] -> regist[r] = 1 };
        if
        :: atomic { !(word[r] & TERMINAL) -> word[r] = word[r] & (255 - CALLING - WAITED) };
           count_end(r); unlock(regist[r]); break
        :: else -> unlock(regist[r])
        fi
     od;
     frames[me] = 0; r = 0
  od
}

proctype Closer(byte me) {              /* close_and_wait, or the group's destructor */
  LOCALS;
  close_group(me);
  wait_group(me);
  assert(QUIET(0) && QUIET(1));
  returned = 1;
  clients--
}
#if SC == 41 || SC == 42
proctype Creator(byte me) {
  LOCALS;
  create(0, me);
  arm(0);
  clients--
}
#endif
#if SC == 43
proctype Owner(byte me) {
  LOCALS;
  destroy(0, me);
  !g_used[0];                           /* the registry gives the record out again */
  atomic { !regist[0] -> g_used[0] = 1; g_callable[0] = 1; word[0] = 0 };
  arm(0);
  clients--
}
#endif

init {
  atomic {
    word[0] = TERMINAL; word[1] = TERMINAL;
#if SC == 43
    g_used[0] = 1; g_callable[0] = 1; g_ingroup[0] = 1; list[0] = 1; word[0] = PENDING;
#endif
    g_used[1] = 1; g_callable[1] = 1; g_ingroup[1] = 1; list[1] = 1; word[1] = PENDING;
    clients = 2;
    run Worker(0); run Worker(1); run Closer(2);
#if SC == 43
    run Owner(3)
#else
    run Creator(3)
#endif
  };
  clients == 0 && !(word[0] & CALLING) && !(word[1] & CALLING)
}
