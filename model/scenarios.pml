/* scenarios: sizes. The stories are told in clients.pml and callbacks.pml. */
#if SC == 1 || SC == 3 || SC == 5
#define NR 1
#define NW 1
#define MAXT 2
#elif SC == 2
#define NR 2
#define NW 2
#define MAXT 1
#elif SC == 13
#define NR 3
#define NW 3
#define MAXT 1
#elif SC == 11
#define NR 1
#define NW 1
#define MAXT 3
#elif SC == 7
#define NR 1
#define NW 1
#define MAXT 3
#elif SC == 14
#define NR 1
#define NW 1
#define MAXT 1
#else
#define NR 1
#define NW 1
#define MAXT 3
#endif
#ifndef NWAIT
#define NWAIT 4
#endif
#if SC == 9
#define DROPS 1
#else
#define DROPS 0
#endif
