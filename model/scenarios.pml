/* scenarios: sizes. The stories are told in clients.pml and callbacks.pml.
 *
 * NR records, NW workers of the executor, MAXT the last instant the clock reaches, NWAIT threads that may sleep on a
 * bucket (workers first). SERIES, DROPS, DETACHES, ENDED bring in what only some scenarios need.
 */
#if SC == 2
#define NR 2
#define NW 2
#define MAXT 1
#define NWAIT 2
#elif SC == 13
#define NR 3
#define NW 3
#define MAXT 1
#define NWAIT 3
#elif SC == 18
#define NR 2
#define NW 1
#define MAXT 1
#define NWAIT 2
#elif SC == 3
#define NR 2
#define NW 1
#define MAXT 1
#define NWAIT 3
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
#elif SC == 5 || SC == 10 || SC == 6 || SC == 20
#define NR 1
#define NW 1
#define MAXT 2
#define NWAIT 3
#else
#define NR 1
#define NW 1
#define MAXT 1
#define NWAIT 3
#endif

#define SERIES   (SC == 10 || SC == 9)
#define DROPS    (SC == 9)
#define DETACHES (SC == 17 || SC == 19 || SC == 20)
#define ENDED    (SC == 15 || SC == 12)
