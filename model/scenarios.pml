/* scenarios: sizes. The stories are told in clients.pml and callbacks.pml.
 *
 * NR records, NW workers of the executor, MAXT the last instant the clock reaches, NWAIT threads that may sleep on a
 * bucket (workers first). SERIES, DROPS, DETACHES, IDS and ENDED bring in what only some scenarios need.
 */
#if SC == 2
#define NR 2
#define NW 2
#define MAXT 1
#define NWAIT 3
#elif SC == 18
#define NR 2
#define NW 1
#define MAXT 1
#define NWAIT 2
#elif SC == 7 || SC == 11
#define NR 1
#define NW 1
#define MAXT 3
#define NWAIT 3
#elif SC == 15
#define NR 1
#define NW 1
#define MAXT 3
#define NWAIT 2
#elif SC == 20
#define NR 1
#define NW 1
#define MAXT 1
#define NWAIT 2
#elif SC == 5
#define NR 1
#define NW 1
#define MAXT 2
#define NWAIT 3
#elif SC == 3 || SC == 6 || SC == 8 || SC == 9 || SC == 21 || SC == 10 || SC == 12 || SC == 13
#define NR 1
#define NW 1
#define MAXT 2
#define NWAIT 2
#else
#define NR 1
#define NW 1
#define MAXT 1
#define NWAIT 3
#endif

#define HEIR     (SC == 12 -> 2 : 3)
#define TENANTS  (SC == 7 -> 3 : 2)
#define SERIES   (SC == 6 || SC == 9 || SC == 21 || SC == 10 || SC == 13)
#define DROPS    (SC == 9 || SC == 16 || SC == 21)
#define DETACHES (SC == 17 || SC == 19 || SC == 20)
#define IDS      (SC == 3 || SC == 12 || SC == 16 || SC == 22)
#define ENDED    (SC == 15)
