/* callbacks: what the user's callback does in each scenario, on worker w. */
#if SC == 1 || SC == 23
inline callback(r, w) {
  if
  :: true -> skip
  :: true -> arm(r, T(1)); cancel(r)
  :: true -> T3(r, 0); assert(res == BUSY); arm(r, T(1)); assert(!res)
  fi;
  res = 0
}
#elif SC == 2
/* The other timer is closed and waited for; this one perhaps before it. */
inline callback(r, w) {
  if :: true -> T3(r, 0); assert(res == BUSY || res == WASENDED); res = 0 :: true -> skip fi;
  y = 1 - r;
  T3(y, 0);
  if
  :: res == ENDER -> finish(y)
  :: res == BUSY -> await_inside(y, w)
  :: else -> skip
  fi;
  atomic { res = 0; y = 0 }
}
#elif SC == 18
inline callback(r, w) {
  y = 1 - r;
  T3(y, 0);
  if
  :: res == ENDER -> finish(y)
  :: res == BUSY -> await_inside(y, w)
  :: else -> skip
  fi;
  await_entry(y);
  assert(g_running[y] == 0);
  atomic { res = 0; y = 0 }
}
#elif SC == 3
inline callback(r, w) {
  if
  :: t == 1 ->
     if
     :: true -> gone = 1; destroy_inside(r)
     :: true -> skip
     :: true -> T3(r, 0); assert(res == BUSY); await_inside(r, w); assert(res == FROMCALL); gone = 1; destroy_inside(r)
     fi
  :: else -> skip
  fi;
  res = 0
}
#elif SC == 4
inline callback(r, w) { if :: true -> arm(r, T(1)) :: true -> T3(r, 0); assert(res == BUSY); arm(r, T(1)); assert(!res) :: true -> skip fi; res = 0 }
#elif SC == 6
inline callback(r, w) {
  if
  :: true -> cancel(r)
  :: true -> skip
  fi;
  res = 0
}
#elif SC == 12
inline callback(r, w) { if :: t == 1 && now < T(2) -> arm_by_id(r, 0, T(2)) :: true -> skip fi }
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
