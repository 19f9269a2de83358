/* serial: the turn of a serial group: one member's entry at a time, handed on by whoever has it.
 *
 * A record is its word, `in hand`, and the note for whose turn its entry was handed out; what is pending is due. Steps:
 * core::hand (driver.cpp), core::run_one, core::claim_guarded, core::pass_turn, core::post_turn, core::drop_entry
 * (calling.cpp). That a member whose firing is gone hands its turn on all the same, and that nobody is forgotten, is the
 * absence of invalid end states.
 *
 * SC 61: two members that arm themselves again, beside a client that arms and cancels; two workers. 62: the same with an
 * executor that may drop an entry. 63: record 0 is in hand for a tenant of no group, and gets its next tenant, a member.
 */
#define NR 2
#define NW 2
#define PENDING 1
#define CALLING 2
#define GUARDED 4                       /* the tenant is a member: claimed under the lock only */
#define DROPS (SC == 62)
#define DUE(r) ((word[r] & (PENDING | CALLING)) == PENDING)

byte word[NR];
bit  inhand[NR], handed[NR], member[NR];
bit  turn, busy;                        /* turn_lock; whether somebody has the turn */
chan queue = [NR] of { byte };          /* entries that wait for the turn. Guarded by `turn` */
chan entries = [NR] of { byte };        /* the executor's */
byte arms[NR];                          /* times that a callback may still arm */
byte g_in;                              /* members in a call */
byte clients;

#define lock(l) atomic { !l -> l = 1 }
#define unlock(l) l = 0

inline arm(r) { atomic { word[r] = (word[r] & CALLING) | PENDING | (member[r] -> GUARDED : 0) } }
inline cancel(r) { atomic { word[r] = word[r] & CALLING } }

inline hand(r) {
  if
  :: word[r] & GUARDED ->
     handed[r] = 1;
     lock(turn);
#ifdef M_SERIALBUSY                     /* the driver does not look whether somebody has the turn */
     busy = 1; unlock(turn); entries!r
#else
     if
     :: busy -> queue!r; unlock(turn)
     :: else -> busy = 1; unlock(turn); entries!r
     fi
#endif
  :: else -> entries!r
  fi
}

active proctype Driver() {
  byte r;
end_idle:
  do
  :: atomic { (word[0] & PENDING) && !inhand[0] -> r = 0; inhand[0] = 1 }; hand(r)
  :: atomic { (word[1] & PENDING) && !inhand[1] -> r = 1; inhand[1] = 1 }; hand(r); r = 0
  od
}

/* Leaves in `again` whether this thread goes on with the next member's entry. */
inline pass_turn() {
#ifdef M_TURNLOOK                       /* whether somebody waits is asked before the lock is there */
  again = len(queue) != 0;
  lock(turn);
#else
  lock(turn);
  again = len(queue) != 0;
#endif
  if
  :: again -> queue?r; unlock(turn)
  :: else -> busy = 0; unlock(turn)
  fi;
  if
  :: again && DROPS -> entries!r; again = 0                               /* post_turn */
  :: else -> skip
  fi
}

proctype Worker() {
  byte r; bit mine, won, again, drops, of_member;
end_idle:
  do
  :: entries?r ->
     again = 1;
     do
     :: again ->
        again = 0;
        atomic { mine = handed[r]; handed[r] = 0; if :: true -> drops = 0 :: DROPS -> drops = 1 fi };
        if
        :: drops ->                                                       /* T12 */
           if :: atomic { DUE(r) -> word[r] = 0 } :: else -> skip fi
        :: else ->
           atomic {                                                       /* T4 */
#ifdef M_TURNBLIND                      /* an entry claims whoever's turn it is */
             won = DUE(r);
#else
             won = DUE(r) && (!(word[r] & GUARDED) || mine);
#endif
             if
             :: won ->
                of_member = (word[r] & GUARDED) != 0;
                word[r] = CALLING
             :: else -> skip
             fi
           };
           if
           :: won ->
              if :: of_member -> assert(g_in == 0); g_in++ :: else -> skip fi;
              if :: arms[r] > 0 -> arms[r]--; arm(r) :: true -> skip fi;
              if :: of_member -> g_in-- :: else -> skip fi;
              atomic { word[r] = word[r] & (255 - CALLING); won = 0; of_member = 0 }           /* T5 */
           :: else ->
#ifdef M_TURNKEPT                       /* who finds nothing to run does not hand the turn on */
              mine = 0
#else
              skip
#endif
           fi
        fi;
        inhand[r] = 0;                                                    /* H4 */
#ifdef M_DROPTURN                       /* a dropped entry keeps the turn */
        if :: drops -> mine = 0 :: else -> skip fi;
#endif
        drops = 0;
        if :: mine -> mine = 0; pass_turn() :: else -> skip fi
     :: else -> break
     od;
     atomic { r = 0; again = 0 }
  od
}

proctype Client() {
#if SC == 63
  cancel(0);
  atomic { word[0] == 0 -> member[0] = 1 };                               /* closed, freed and opened anew, in hand */
  arm(0);
#else
  arm(0); cancel(0); arm(0);
#endif
  clients--
}
proctype Other() { arm(1); cancel(1); arm(1); clients-- }

init {
  atomic {
    member[1] = 1; arms[1] = 1;
#if SC == 63
    word[0] = PENDING; inhand[0] = 1; entries!0;
#else
    member[0] = 1; arms[0] = 1;
#endif
    clients = 2;
    run Worker(); run Worker(); run Client(); run Other()
  };
  clients == 0 && word[0] == 0 && word[1] == 0 && !inhand[0] && !inhand[1] && !busy && len(queue) == 0
}
