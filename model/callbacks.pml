/* callbacks: what the user's callback does in each scenario, on worker w. */
#if SC == 1
inline callback(r, w) {
  if
  :: true -> skip
  :: true -> arm(r, T(1)); cancel(r)
  :: true -> T3(r, 0); assert(res == BUSY); arm(r, T(1)); assert(!res)
  fi;
  res = 0
}
#elif SC == 14
inline callback(r, w) { if :: t == 2 -> returned :: else -> skip fi }
#elif SC == 15
inline callback(r, w) { if :: now < T(2) -> arm(r, T(2)); res = 0 :: else -> skip fi }
#elif SC == 17
inline callback(r, w) { if :: true -> detach(r); if :: true -> returned :: true -> skip fi :: true -> skip fi }
#elif SC == 19 || SC == 20
inline callback(r, w) { if :: true -> detach(r) :: true -> skip fi }
#else
inline callback(r, w) { skip }
#endif
