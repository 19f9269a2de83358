// _detent: the C API as Python objects. What Python code sees is the package around it (detent/*.py).
//
// A *target* is what a timer calls: an object with `_fire()`, which returns true when the call failed, and `_over()`,
// called once when the timer will never call again. The engine holds one reference to it until then.
//
// The GIL: functions that may block release it; what never blocks keeps it, which is safe because the core calls
// nothing of ours under a lock of its own. Callbacks and releases take it, whatever thread they are on.
//
// The end: from `finalise` on no call begins. A call that is still in Python when the interpreter goes away would be
// unwound out of the core by its thread's forced exit; `held_here` keeps such a thread where it is until the process
// ends, as CPython does from 3.14 on.
#define PY_SSIZE_T_CLEAN
#include <detent/c.h>

#include <Python.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

// 0: calls run. 1: calls are dropped and counted. 2: references can only be given back by who has the GIL.
static atomic_int ending;
static atomic_ullong dropped;      // calls that the end has dropped
static long long holds;            // guarded by the GIL: timers that the end of the interpreter waits for
static unsigned long main_thread;  // guarded by the GIL: who looks at signals while it waits

static PyObject* fire_name;
static PyObject* over_name;
static PyObject* function_name;

// --- Calls. ---------------------------------------------------------------------------------

typedef struct {
  PyObject_HEAD detent_firing* firing;  // NULL once the call is over; guarded by the GIL
} firing_object;

// The call in progress on this thread; on its stack.
typedef struct call {
  detent_firing* firing;
  firing_object* object;  // made when somebody asks
  struct call* outer;
} call;
static _Thread_local call* innermost;

static void held_here(int* returned) {
  while (!*returned) pause();
}

static void run_target(PyObject* target, detent_firing* firing) {
  call mine = {firing, NULL, innermost};
  innermost = &mine;
  Py_INCREF(target);
  PyObject* failed = PyObject_CallMethodNoArgs(target, fire_name);
  int is_failed = failed == NULL || failed == Py_True;
  if (failed == NULL) {
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyObject* function = PyObject_GetAttr(target, function_name);
    if (function == NULL) PyErr_Clear();
    PyErr_Restore(type, value, trace);
    PyErr_WriteUnraisable(function != NULL ? function : target);
    Py_XDECREF(function);
  }
  Py_XDECREF(failed);
  Py_DECREF(target);
  innermost = mine.outer;
  if (mine.object != NULL) {
    mine.object->firing = NULL;
    Py_DECREF(mine.object);
  }
  if (is_failed) detent_firing_fail(firing, 1);
}

// `is_cleared` (may be NULL) is read with the GIL: the collector has taken the target apart before the call began.
static void call_target(PyObject* target, detent_firing* firing, const int* is_cleared) {
  if (atomic_load(&ending) != 0) {
    atomic_fetch_add(&dropped, 1);
    return;
  }
  int returned __attribute__((cleanup(held_here))) = 0;
  PyGILState_STATE state = PyGILState_Ensure();
  if (atomic_load(&ending) != 0) {
    atomic_fetch_add(&dropped, 1);
  } else if (is_cleared == NULL || !*is_cleared) {
    run_target(target, firing);
  }
  PyGILState_Release(state);
  returned = 1;
}

// Whether a reference can still be given back on this thread.
static int can_release(void) { return Py_IsInitialized() && (atomic_load(&ending) < 2 || PyGILState_Check()); }

static void end_target(PyObject* target) {
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);  // A release may come in the middle of anything.
  PyObject* answer = PyObject_CallMethodNoArgs(target, over_name);
  if (answer == NULL) PyErr_WriteUnraisable(target);
  Py_XDECREF(answer);
  Py_DECREF(target);
  PyErr_Restore(type, value, trace);
}

static void on_call(void* context, detent_firing* firing) { call_target(context, firing, NULL); }

static void on_release(void* context) {
  if (!can_release()) return;
  int returned __attribute__((cleanup(held_here))) = 0;
  PyGILState_STATE state = PyGILState_Ensure();
  end_target(context);
  PyGILState_Release(state);
  returned = 1;
}

static void on_continuation(void* context) {
  if (atomic_load(&ending) != 0) {
    atomic_fetch_add(&dropped, 1);
    return;
  }
  int returned __attribute__((cleanup(held_here))) = 0;
  PyGILState_STATE state = PyGILState_Ensure();
  if (atomic_load(&ending) != 0) {
    atomic_fetch_add(&dropped, 1);
  } else {
    call mine = {NULL, NULL, innermost};  // A callback like any other, but of no firing.
    innermost = &mine;
    PyObject* answer = PyObject_CallMethodNoArgs(context, fire_name);
    if (answer == NULL) PyErr_WriteUnraisable(context);
    Py_XDECREF(answer);
    innermost = mine.outer;
  }
  PyGILState_Release(state);
  returned = 1;
}

// --- Waiting. -------------------------------------------------------------------------------

typedef int (*wait_function)(void* self, detent_id id, int64_t limit_ns, detent_wait_progress* progress);

static int64_t steady_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

// Waits without the GIL. The main thread comes back now and then, so that Ctrl-C ends the wait; what ends while it
// wants the GIL for that ends the wait too. -1: an exception is set.
static int wait_for(wait_function wait, void* self, detent_id id, int64_t limit_ns) {
  const int64_t slice_ns = 50 * 1000 * 1000;
  int is_main = PyThread_get_thread_ident() == main_thread;
  int64_t begun_ns = steady_ns();
  if (limit_ns < 0) limit_ns = 0;
  detent_wait_progress progress = {{0}};
  for (;;) {
    int64_t left_ns = limit_ns == DETENT_FOREVER ? limit_ns : limit_ns - (steady_ns() - begun_ns);
    int64_t now_ns = is_main && left_ns > slice_ns ? slice_ns : left_ns;
    int result;
    Py_BEGIN_ALLOW_THREADS
    result = wait(self, id, now_ns, &progress);
    Py_END_ALLOW_THREADS
    if (result != DETENT_WAIT_TIMED_OUT || now_ns == left_ns) return result;
    if (PyErr_CheckSignals() < 0) return -1;
  }
}

static PyObject* answer_of(int result) {
  if (result == DETENT_NO_MEMORY) return PyErr_NoMemory();
  if (result == DETENT_INVALID) {
    PyErr_SetString(PyExc_ValueError, "an argument has no such value");
    return NULL;
  }
  if (result == DETENT_OS_REFUSED) {
    PyErr_SetString(PyExc_OSError, "a thread or a descriptor could not be had");
    return NULL;
  }
  return PyLong_FromLong(result);
}

static PyObject* wait_answer(int result) { return result == -1 && PyErr_Occurred() ? NULL : answer_of(result); }

// --- Clock. ---------------------------------------------------------------------------------

typedef struct {
  PyObject_HEAD detent_clock* clock;
} clock_object;

static PyTypeObject clock_type;

static PyObject* clock_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  (void)kwargs;
  long long start_ns = 0;
  if (!PyArg_ParseTuple(args, "|L", &start_ns)) return NULL;
  clock_object* self = (clock_object*)type->tp_alloc(type, 0);
  if (self == NULL) return NULL;
  PyObject* status = answer_of(detent_clock_new(start_ns, &self->clock));
  Py_XDECREF(status);
  if (status == NULL) Py_CLEAR(self);
  return (PyObject*)self;
}

static void clock_dealloc(PyObject* self) {
  detent_clock_free(((clock_object*)self)->clock);
  Py_TYPE(self)->tp_free(self);
}

static PyObject* clock_now(PyObject* self, PyObject* args) {
  int kind = 0;
  int64_t now_ns = 0;
  if (!PyArg_ParseTuple(args, "|i", &kind)) return NULL;
  if (detent_clock_now(((clock_object*)self)->clock, kind, &now_ns) != DETENT_OK) return answer_of(DETENT_INVALID);
  return PyLong_FromLongLong(now_ns);
}

// A move runs callbacks, on this thread too.
#define CLOCK_MOVE(name, ...)                                     \
  static PyObject* clock_##name(PyObject* self, PyObject* args) { \
    long long by_ns = 0;                                          \
    size_t count = 0;                                             \
    int result;                                                   \
    if (!PyArg_ParseTuple(args, "|L", &by_ns)) return NULL;       \
    detent_clock* clock = ((clock_object*)self)->clock;           \
    Py_BEGIN_ALLOW_THREADS                                        \
    result = detent_clock_##name(__VA_ARGS__);                    \
    Py_END_ALLOW_THREADS                                          \
    if (result != DETENT_OK) return answer_of(result);            \
    return PyLong_FromSize_t(count);                              \
  }
CLOCK_MOVE(advance, clock, by_ns, &count)
CLOCK_MOVE(step, clock, &count)
CLOCK_MOVE(suspend, clock, by_ns, &count)
CLOCK_MOVE(step_system, clock, by_ns, &count)

static PyMethodDef clock_methods[] = {{"now_ns", clock_now, METH_VARARGS, NULL},
                                      {"advance", clock_advance, METH_VARARGS, NULL},
                                      {"step", clock_step, METH_VARARGS, NULL},
                                      {"suspend", clock_suspend, METH_VARARGS, NULL},
                                      {"step_system", clock_step_system, METH_VARARGS, NULL},
                                      {NULL, NULL, 0, NULL}};

static PyTypeObject clock_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "detent._detent.Clock",
    .tp_basicsize = sizeof(clock_object),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = clock_new,
    .tp_dealloc = clock_dealloc,
    .tp_methods = clock_methods,
};

// --- Service. -------------------------------------------------------------------------------

// A group whose members still run when its object goes; freed with the service. Guarded by the GIL.
typedef struct doomed_group {
  detent_group* group;
  struct doomed_group* next;
} doomed_group;

typedef struct {
  PyObject_HEAD detent_service* service;
  doomed_group* doomed;
  PyObject* clock;
  PyObject* weak;
} service_object;

static PyTypeObject service_type;

// Errors of callbacks were told by `run_target`; nothing else reaches this hook with our executors.
static void on_error(void* context, const detent_error* error) {
  (void)context;
  (void)error;
}

static PyObject* service_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  (void)kwargs;
  const char* name;
  int drive, sharing, executor;
  unsigned threads;
  PyObject* clock;
  if (!PyArg_ParseTuple(args, "siiiIO", &name, &drive, &sharing, &executor, &threads, &clock)) return NULL;
  if (clock != Py_None && !PyObject_TypeCheck(clock, &clock_type)) return answer_of(DETENT_INVALID);
  if (executor == DETENT_ON_POST) return answer_of(DETENT_INVALID);
  service_object* self = (service_object*)type->tp_alloc(type, 0);
  if (self == NULL) return NULL;
  detent_service_options options = {.size = sizeof options,
                                    .name = name,
                                    .drive = drive,
                                    .sharing = sharing,
                                    .executor = executor,
                                    .threads = threads,
                                    .on_error = on_error};
  if (clock != Py_None) {
    options.clock = ((clock_object*)clock)->clock;
    Py_INCREF(clock);
    self->clock = clock;
  }
  int result;
  detent_service* service = NULL;
  Py_BEGIN_ALLOW_THREADS
  result = detent_service_new(&options, &service);
  Py_END_ALLOW_THREADS
  self->service = service;
  PyObject* status = answer_of(result);
  Py_XDECREF(status);
  if (status == NULL) Py_CLEAR(self);
  return (PyObject*)self;
}

static void service_dealloc(PyObject* object) {
  service_object* self = (service_object*)object;
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);  // An exception may have dropped it, and what follows may run Python.
  if (self->weak != NULL) PyObject_ClearWeakRefs(object);
  detent_service* service = self->service;
  doomed_group* doomed = self->doomed;
  PyObject* clock = self->clock;
  Py_TYPE(object)->tp_free(object);
  // After the end a call may be held in its thread for ever: then the service is left to the end of the process.
  detent_shutdown_report* report = NULL;
  int is_over = 1;
  if (service != NULL && atomic_load(&ending) == 2) {
    detent_service_shutdown(service, DETENT_CANCEL_PENDING, 0, &report);
    is_over = report != NULL && report->complete;
    detent_shutdown_report_free(report);
  }
  Py_BEGIN_ALLOW_THREADS
  if (is_over) detent_service_free(service);
  while (is_over && doomed != NULL) {
    doomed_group* next = doomed->next;
    detent_group_free(doomed->group);
    PyMem_RawFree(doomed);
    doomed = next;
  }
  Py_END_ALLOW_THREADS
  Py_XDECREF(clock);
  PyErr_Restore(type, value, trace);
}

#define SERVICE(object) (((service_object*)(object))->service)

static PyObject* id_or_error(int result, detent_id id) {
  if (result == DETENT_UNAVAILABLE) return PyLong_FromLong(0);
  if (result != DETENT_OK) return answer_of(result);
  return PyLong_FromUnsignedLongLong(id);
}

static PyObject* service_once(PyObject* self, PyObject* args) {
  long long delay_ns;
  PyObject* target;
  const char* name = NULL;
  if (!PyArg_ParseTuple(args, "LO|z", &delay_ns, &target, &name)) return NULL;
  detent_timer_options options = {.size = sizeof options, .name = name};
  detent_id id = 0;
  Py_INCREF(target);
  int result = detent_once(SERVICE(self), delay_ns, on_call, target, on_release, &options, &id);
  return id_or_error(result, id);
}

static int series_of(PyObject* args, detent_series_options* series, long long* period_ns, unsigned long long* id) {
  long long first_ns;
  series->size = sizeof *series;
  if (!PyArg_ParseTuple(args, "KLLii", id, period_ns, &first_ns, &series->pace, &series->missed)) return 0;
  series->first_ns = first_ns;
  return 1;
}

static PyObject* service_every(PyObject* self, PyObject* args) {
  long long period_ns, first_ns;
  PyObject* target;
  const char* name;
  detent_series_options series = {.size = sizeof series};
  detent_timer_options options = {.size = sizeof options};
  if (!PyArg_ParseTuple(args, "LOLiiiz", &period_ns, &target, &first_ns, &series.pace, &series.missed,
                        &options.on_failure, &name)) {
    return NULL;
  }
  series.first_ns = first_ns;
  options.name = name;
  detent_id id = 0;
  Py_INCREF(target);
  int result = detent_every(SERVICE(self), period_ns, on_call, target, on_release, &series, &options, &id);
  return id_or_error(result, id);
}

static PyObject* service_arm_after(PyObject* self, PyObject* args) {
  unsigned long long id;
  long long delay_ns;
  if (!PyArg_ParseTuple(args, "KL", &id, &delay_ns)) return NULL;
  return answer_of(detent_id_arm_after(SERVICE(self), id, delay_ns));
}

static PyObject* service_arm_every(PyObject* self, PyObject* args) {
  unsigned long long id;
  long long period_ns;
  detent_series_options series;
  if (!series_of(args, &series, &period_ns, &id)) return NULL;
  return answer_of(detent_id_arm_every(SERVICE(self), id, period_ns, &series));
}

// What never blocks and takes an id.
#define ID_VERB(verb)                                                   \
  static PyObject* service_##verb(PyObject* self, PyObject* argument) { \
    detent_id id = PyLong_AsUnsignedLongLong(argument);                 \
    if (id == (detent_id)-1 && PyErr_Occurred()) return NULL;           \
    return answer_of(detent_id_##verb(SERVICE(self), id));              \
  }
ID_VERB(cancel)
ID_VERB(close)
ID_VERB(stop)
ID_VERB(status)

static int wait_id(void* self, detent_id id, int64_t limit_ns, detent_wait_progress* progress) {
  return detent_id_wait_slice(self, id, limit_ns, progress);
}
static int close_and_wait_id(void* self, detent_id id, int64_t limit_ns, detent_wait_progress* progress) {
  (void)progress;  // No call begins in a closed timer.
  return detent_id_close_and_wait(self, id, limit_ns, NULL);
}

static PyObject* service_wait(PyObject* self, PyObject* args) {
  unsigned long long id;
  long long limit_ns;
  if (!PyArg_ParseTuple(args, "KL", &id, &limit_ns)) return NULL;
  return wait_answer(wait_for(wait_id, SERVICE(self), id, limit_ns));
}

// Both answer the pair (outcome, wait). Closing first is no other thing than closing and waiting, so the wait may come
// in slices; a second cancel would be another cancel, so that wait is one.
static PyObject* service_close_and_wait(PyObject* self, PyObject* args) {
  unsigned long long id;
  long long limit_ns;
  if (!PyArg_ParseTuple(args, "KL", &id, &limit_ns)) return NULL;
  int outcome = detent_id_close(SERVICE(self), id);
  int waited = wait_for(close_and_wait_id, SERVICE(self), id, limit_ns);
  return waited < 0 ? wait_answer(waited) : Py_BuildValue("ii", outcome, waited);
}

static PyObject* service_cancel_and_wait(PyObject* self, PyObject* args) {
  unsigned long long id;
  long long limit_ns;
  int outcome = 0, waited;
  if (!PyArg_ParseTuple(args, "KL", &id, &limit_ns)) return NULL;
  Py_BEGIN_ALLOW_THREADS
  waited = detent_id_cancel_and_wait(SERVICE(self), id, limit_ns, &outcome);
  Py_END_ALLOW_THREADS
  return Py_BuildValue("ii", outcome, waited);
}

static PyObject* service_close_then(PyObject* self, PyObject* args) {
  unsigned long long id;
  PyObject* target;
  if (!PyArg_ParseTuple(args, "KO", &id, &target)) return NULL;
  Py_INCREF(target);
  int result = detent_id_close_then(SERVICE(self), id, on_continuation, target, on_release);
  if (result != DETENT_THEN_ACCEPTED) Py_DECREF(target);
  return result == DETENT_THEN_NO_MEMORY ? PyErr_NoMemory() : answer_of(result);
}

static PyObject* names_of(const detent_named* named, size_t count) {
  PyObject* list = PyList_New(0);
  for (size_t i = 0; list != NULL && i < count; ++i) {
    PyObject* name = PyUnicode_FromString(named[i].name);
    if (name == NULL || PyList_Append(list, name) < 0) Py_CLEAR(list);
    Py_XDECREF(name);
  }
  return list;
}

static PyObject* service_shutdown(PyObject* self, PyObject* args) {
  int policy;
  long long limit_ns;
  if (!PyArg_ParseTuple(args, "iL", &policy, &limit_ns)) return NULL;
  detent_shutdown_report* report = NULL;
  int result;
  Py_BEGIN_ALLOW_THREADS
  result = detent_service_shutdown(SERVICE(self), policy, limit_ns, &report);
  Py_END_ALLOW_THREADS
  if (result != DETENT_OK) return answer_of(result);
  PyObject* names = names_of(report->still_running, report->still_running_count);
  PyObject* answer =
      names == NULL ? NULL
                    : Py_BuildValue("OKKKN", report->complete ? Py_True : Py_False, (unsigned long long)report->fired,
                                    (unsigned long long)report->cancelled, (unsigned long long)report->dropped, names);
  detent_shutdown_report_free(report);
  return answer;
}

static PyObject* service_run_due(PyObject* self, PyObject* unused) {
  (void)unused;
  size_t count = 0;
  int result;
  Py_BEGIN_ALLOW_THREADS
  result = detent_service_run_due(SERVICE(self), &count);
  Py_END_ALLOW_THREADS
  return Py_BuildValue("in", result, (Py_ssize_t)count);
}

static PyObject* service_next_deadline(PyObject* self, PyObject* unused) {
  (void)unused;
  return PyLong_FromLongLong(detent_service_next_deadline_ns(SERVICE(self)));
}

static PyObject* service_fileno(PyObject* self, PyObject* unused) {
  (void)unused;
  return PyLong_FromLong(detent_service_fd(SERVICE(self)));
}

static PyObject* service_now(PyObject* self, PyObject* args) {
  int clock = 0;
  int64_t now_ns = 0;
  if (!PyArg_ParseTuple(args, "|i", &clock)) return NULL;
  int result = detent_service_now(SERVICE(self), clock, &now_ns);
  return result == DETENT_OK ? PyLong_FromLongLong(now_ns) : answer_of(result);
}

static PyObject* service_cancel_all(PyObject* self, PyObject* unused) {
  (void)unused;
  size_t count = 0;
  int result = detent_service_cancel_all(SERVICE(self), &count);
  return result == DETENT_OK ? PyLong_FromSize_t(count) : answer_of(result);
}

static PyObject* service_counters(PyObject* self, PyObject* unused) {
  (void)unused;
  detent_counters c = {.size = sizeof c};
  int result = detent_service_counters(SERVICE(self), &c);
  if (result != DETENT_OK) return answer_of(result);
  return Py_BuildValue("{sKsKsKsKsKsKsKsK}", "fired", (unsigned long long)c.fired, "missed",
                       (unsigned long long)c.missed, "failed", (unsigned long long)c.failed, "early",
                       (unsigned long long)c.early, "wakeups", (unsigned long long)c.wakeups, "alive",
                       (unsigned long long)c.alive, "clock_steps", (unsigned long long)c.clock_steps, "lateness_max_ns",
                       (unsigned long long)c.lateness_max_ns);
}

static PyObject* service_snapshot(PyObject* self, PyObject* unused) {
  (void)unused;
  detent_snapshot* snapshot = NULL;
  int result = detent_service_snapshot(SERVICE(self), &snapshot);
  if (result != DETENT_OK) return answer_of(result);
  PyObject* list = PyList_New(0);
  for (size_t i = 0; list != NULL && i < snapshot->count; ++i) {
    const detent_timer_info* t = &snapshot->timers[i];
    PyObject* due = t->due_known ? PyLong_FromLongLong(t->due_in_ns) : Py_NewRef(Py_None);
    PyObject* one = due == NULL
                        ? NULL
                        : Py_BuildValue("{sKsssssisisNsLsK}", "id", (unsigned long long)t->id, "name", t->name, "group",
                                        t->group, "state", (int)t->state, "clock", (int)t->clock, "due_in_ns", due,
                                        "period_ns", (long long)t->period_ns, "calls", (unsigned long long)t->calls);
    if (one == NULL || PyList_Append(list, one) < 0) Py_CLEAR(list);
    Py_XDECREF(one);
  }
  detent_snapshot_free(snapshot);
  return list;
}

static PyMethodDef service_methods[] = {{"once", service_once, METH_VARARGS, NULL},
                                        {"every", service_every, METH_VARARGS, NULL},
                                        {"arm_after", service_arm_after, METH_VARARGS, NULL},
                                        {"arm_every", service_arm_every, METH_VARARGS, NULL},
                                        {"cancel", service_cancel, METH_O, NULL},
                                        {"close", service_close, METH_O, NULL},
                                        {"stop", service_stop, METH_O, NULL},
                                        {"status", service_status, METH_O, NULL},
                                        {"wait", service_wait, METH_VARARGS, NULL},
                                        {"close_and_wait", service_close_and_wait, METH_VARARGS, NULL},
                                        {"cancel_and_wait", service_cancel_and_wait, METH_VARARGS, NULL},
                                        {"close_then", service_close_then, METH_VARARGS, NULL},
                                        {"shutdown", service_shutdown, METH_VARARGS, NULL},
                                        {"run_due", service_run_due, METH_NOARGS, NULL},
                                        {"next_deadline_ns", service_next_deadline, METH_NOARGS, NULL},
                                        {"fileno", service_fileno, METH_NOARGS, NULL},
                                        {"now_ns", service_now, METH_VARARGS, NULL},
                                        {"cancel_all", service_cancel_all, METH_NOARGS, NULL},
                                        {"counters", service_counters, METH_NOARGS, NULL},
                                        {"snapshot", service_snapshot, METH_NOARGS, NULL},
                                        {NULL, NULL, 0, NULL}};

static PyTypeObject service_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "detent._detent.Service",
    .tp_basicsize = sizeof(service_object),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = service_new,
    .tp_dealloc = service_dealloc,
    .tp_methods = service_methods,
    .tp_weaklistoffset = offsetof(service_object, weak),
};

// --- Group. ---------------------------------------------------------------------------------

typedef struct {
  PyObject_HEAD detent_group* group;
  PyObject* service;
} group_object;

static PyTypeObject group_type;
#define GROUP(object) (((group_object*)(object))->group)

static PyObject* group_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  (void)kwargs;
  PyObject* home;
  const char* name;
  int order;
  if (!PyArg_ParseTuple(args, "Osi", &home, &name, &order)) return NULL;
  int is_child = PyObject_TypeCheck(home, &group_type);
  if (!is_child && !PyObject_TypeCheck(home, &service_type)) return answer_of(DETENT_INVALID);
  group_object* self = (group_object*)type->tp_alloc(type, 0);
  if (self == NULL) return NULL;
  detent_group_options options = {.size = sizeof options, .name = name, .order = order};
  int result = is_child ? detent_group_new_in(GROUP(home), &options, &self->group)
                        : detent_group_new(SERVICE(home), &options, &self->group);
  self->service = Py_NewRef(is_child ? ((group_object*)home)->service : home);
  PyObject* status = answer_of(result);
  Py_XDECREF(status);
  if (status == NULL) Py_CLEAR(self);
  return (PyObject*)self;
}

// Closes, and does not wait: what still runs is left to the service.
static void group_dealloc(PyObject* object) {
  group_object* self = (group_object*)object;
  if (self->group != NULL) {
    detent_group_close(self->group, NULL);
    doomed_group* doomed = NULL;
    if (detent_group_wait(self->group, 0) != DETENT_WAIT_QUIET) doomed = PyMem_RawMalloc(sizeof *doomed);
    if (doomed == NULL) {
      detent_group* group = self->group;
      Py_BEGIN_ALLOW_THREADS
      detent_group_free(group);
      Py_END_ALLOW_THREADS
    } else {
      service_object* service = (service_object*)self->service;
      *doomed = (doomed_group){self->group, service->doomed};
      service->doomed = doomed;
    }
  }
  PyObject* service = self->service;
  Py_TYPE(object)->tp_free(object);
  Py_XDECREF(service);
}

#define GROUP_COUNT(verb)                                                      \
  static PyObject* group_##verb(PyObject* self, PyObject* unused) {            \
    (void)unused;                                                              \
    size_t count = 0;                                                          \
    int result = detent_group_##verb(GROUP(self), &count);                     \
    return result == DETENT_OK ? PyLong_FromSize_t(count) : answer_of(result); \
  }
GROUP_COUNT(cancel)
GROUP_COUNT(close)
GROUP_COUNT(stop)
GROUP_COUNT(size)

static int wait_of_group(void* self, detent_id id, int64_t limit_ns, detent_wait_progress* progress) {
  (void)id;
  return detent_group_wait_slice(self, limit_ns, progress);
}
static int close_and_wait_of_group(void* self, detent_id id, int64_t limit_ns, detent_wait_progress* progress) {
  (void)id;
  (void)progress;  // No call begins in a closed group.
  return detent_group_close_and_wait(self, limit_ns);
}

#define GROUP_WAIT(verb)                                                     \
  static PyObject* group_##verb(PyObject* self, PyObject* argument) {        \
    long long limit_ns = PyLong_AsLongLong(argument);                        \
    if (limit_ns == -1 && PyErr_Occurred()) return NULL;                     \
    return wait_answer(wait_for(verb##_of_group, GROUP(self), 0, limit_ns)); \
  }
GROUP_WAIT(wait)
GROUP_WAIT(close_and_wait)

static PyObject* group_cancel_and_wait(PyObject* self, PyObject* argument) {
  long long limit_ns = PyLong_AsLongLong(argument);
  int waited;
  if (limit_ns == -1 && PyErr_Occurred()) return NULL;
  Py_BEGIN_ALLOW_THREADS
  waited = detent_group_cancel_and_wait(GROUP(self), limit_ns);
  Py_END_ALLOW_THREADS
  return answer_of(waited);
}

static PyMethodDef group_methods[] = {{"cancel", group_cancel, METH_NOARGS, NULL},
                                      {"close", group_close, METH_NOARGS, NULL},
                                      {"stop", group_stop, METH_NOARGS, NULL},
                                      {"size", group_size, METH_NOARGS, NULL},
                                      {"wait", group_wait, METH_O, NULL},
                                      {"close_and_wait", group_close_and_wait, METH_O, NULL},
                                      {"cancel_and_wait", group_cancel_and_wait, METH_O, NULL},
                                      {NULL, NULL, 0, NULL}};

static PyTypeObject group_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "detent._detent.Group",
    .tp_basicsize = sizeof(group_object),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = group_new,
    .tp_dealloc = group_dealloc,
    .tp_methods = group_methods,
};

// --- Handle. --------------------------------------------------------------------------------

struct handle_object;

// The context of a handle's timer. Guarded by the GIL. The engine's reference to the target is counted as the handle's,
// so that the collector can find a cycle that goes through the engine.
typedef struct {
  PyObject* target;              // NULL once its release has begun
  struct handle_object* handle;  // NULL once that object is gone
  int is_cleared;                // The collector has begun to take apart what the target is made of.
  atomic_int begun;              // Calls that have begun, perhaps without the GIL so far: they keep the target.
} bond;

typedef struct handle_object {
  PyObject_HEAD detent_timer* timer;
  bond* bond;  // NULL once the context was released
  PyObject* service;
} handle_object;

#define TIMER(object) (((handle_object*)(object))->timer)

static void on_handle_call(void* context, detent_firing* firing) {
  bond* b = context;
  atomic_fetch_add(&b->begun, 1);
  call_target(b->target, firing, &b->is_cleared);
  atomic_fetch_sub(&b->begun, 1);
}

static void on_handle_release(void* context) {
  bond* b = context;
  if (!can_release()) return;
  int returned __attribute__((cleanup(held_here))) = 0;
  PyGILState_STATE state = PyGILState_Ensure();
  PyObject* target = b->target;
  b->target = NULL;
  end_target(target);  // Runs Python: the handle may go meanwhile, on any thread, and still finds its bond.
  if (b->handle != NULL) b->handle->bond = NULL;
  PyMem_RawFree(b);
  PyGILState_Release(state);
  returned = 1;
}

static PyObject* handle_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  (void)kwargs;
  PyObject *home, *target;
  const char* name;
  long long tolerance_ns;
  detent_timer_options options = {.size = sizeof options};
  if (!PyArg_ParseTuple(args, "OOsLii", &home, &target, &name, &tolerance_ns, &options.on_failure, &options.clock)) {
    return NULL;
  }
  options.name = name;
  options.tolerance_ns = tolerance_ns;
  int in_group = PyObject_TypeCheck(home, &group_type);
  if (!in_group && !PyObject_TypeCheck(home, &service_type)) return answer_of(DETENT_INVALID);
  handle_object* self = (handle_object*)type->tp_alloc(type, 0);
  if (self == NULL) return NULL;
  bond* b = PyMem_RawMalloc(sizeof *b);
  if (b == NULL) {
    Py_DECREF(self);
    return PyErr_NoMemory();
  }
  b->target = Py_NewRef(target);
  b->handle = self;
  b->is_cleared = 0;
  atomic_init(&b->begun, 0);
  self->bond = b;
  self->service = Py_NewRef(in_group ? ((group_object*)home)->service : home);
  int result = in_group ? detent_timer_new_in(GROUP(home), &options, on_handle_call, b, on_handle_release, &self->timer)
                        : detent_timer_new(SERVICE(home), &options, on_handle_call, b, on_handle_release, &self->timer);
  PyObject* status = answer_of(result);
  Py_XDECREF(status);
  if (status == NULL) Py_CLEAR(self);
  return (PyObject*)self;
}

static int handle_traverse(PyObject* object, visitproc visit, void* arg) {
  handle_object* self = (handle_object*)object;
  if (self->bond != NULL && atomic_load(&self->bond->begun) == 0) Py_VISIT(self->bond->target);
  Py_VISIT(self->service);
  return 0;
}

static int handle_clear(PyObject* object) {
  handle_object* self = (handle_object*)object;
  if (self->bond != NULL) self->bond->is_cleared = 1;
  detent_timer_close(TIMER(object));
  return 0;
}

static void free_timer(void* context) { detent_timer_free(context); }

// Closes, and does not wait: the collector may be on any thread, under any lock, and has the GIL.
static void handle_dealloc(PyObject* object) {
  handle_object* self = (handle_object*)object;
  PyObject_GC_UnTrack(object);
  detent_timer_close(self->timer);
  if (self->bond != NULL) self->bond->handle = NULL;
  switch (detent_timer_close_and_wait(self->timer, 0, NULL)) {
    case DETENT_WAIT_QUIET:
    case DETENT_WAIT_FROM_CALLBACK: detent_timer_free(self->timer); break;
    // Its call or the release of its context is in progress on another thread, which needs the GIL: the handle goes
    // after it. Without memory it stays.
    default: detent_timer_close_then(self->timer, free_timer, self->timer, NULL);
  }
  PyObject* service = self->service;
  Py_TYPE(object)->tp_free(object);
  Py_XDECREF(service);
}

static PyObject* handle_arm_after(PyObject* self, PyObject* argument) {
  long long delay_ns = PyLong_AsLongLong(argument);
  if (delay_ns == -1 && PyErr_Occurred()) return NULL;
  return answer_of(detent_timer_arm_after(TIMER(self), delay_ns));
}

static PyObject* handle_arm_at(PyObject* self, PyObject* argument) {
  long long at_ns = PyLong_AsLongLong(argument);
  if (at_ns == -1 && PyErr_Occurred()) return NULL;
  return answer_of(detent_timer_arm_at(TIMER(self), at_ns));
}

static PyObject* handle_arm_every(PyObject* self, PyObject* args) {
  unsigned long long none;
  long long period_ns;
  detent_series_options series;
  if (!series_of(args, &series, &period_ns, &none)) return NULL;
  return answer_of(detent_timer_arm_every(TIMER(self), period_ns, &series));
}

#define HANDLE_VERB(verb)                                            \
  static PyObject* handle_##verb(PyObject* self, PyObject* unused) { \
    (void)unused;                                                    \
    return answer_of(detent_timer_##verb(TIMER(self)));              \
  }
HANDLE_VERB(cancel)
HANDLE_VERB(close)
HANDLE_VERB(stop)
HANDLE_VERB(status)

static int wait_handle(void* self, detent_id id, int64_t limit_ns, detent_wait_progress* progress) {
  (void)id;
  return detent_timer_wait_slice(self, limit_ns, progress);
}
static int close_and_wait_handle(void* self, detent_id id, int64_t limit_ns, detent_wait_progress* progress) {
  (void)id;
  (void)progress;  // No call begins in a closed timer.
  return detent_timer_close_and_wait(self, limit_ns, NULL);
}

static PyObject* handle_wait(PyObject* self, PyObject* argument) {
  long long limit_ns = PyLong_AsLongLong(argument);
  if (limit_ns == -1 && PyErr_Occurred()) return NULL;
  return wait_answer(wait_for(wait_handle, TIMER(self), 0, limit_ns));
}

static PyObject* handle_close_and_wait(PyObject* self, PyObject* argument) {
  long long limit_ns = PyLong_AsLongLong(argument);
  if (limit_ns == -1 && PyErr_Occurred()) return NULL;
  int outcome = detent_timer_close(TIMER(self));
  int waited = wait_for(close_and_wait_handle, TIMER(self), 0, limit_ns);
  return waited < 0 ? wait_answer(waited) : Py_BuildValue("ii", outcome, waited);
}

static PyObject* handle_cancel_and_wait(PyObject* self, PyObject* argument) {
  long long limit_ns = PyLong_AsLongLong(argument);
  if (limit_ns == -1 && PyErr_Occurred()) return NULL;
  int outcome = 0, waited;
  Py_BEGIN_ALLOW_THREADS
  waited = detent_timer_cancel_and_wait(TIMER(self), limit_ns, &outcome);
  Py_END_ALLOW_THREADS
  return Py_BuildValue("ii", outcome, waited);
}

static PyObject* handle_close_then(PyObject* self, PyObject* target) {
  Py_INCREF(target);
  int result = detent_timer_close_then(TIMER(self), on_continuation, target, on_release);
  if (result != DETENT_THEN_ACCEPTED) Py_DECREF(target);
  return result == DETENT_THEN_NO_MEMORY ? PyErr_NoMemory() : answer_of(result);
}

static PyObject* handle_id(PyObject* self, PyObject* unused) {
  (void)unused;
  return PyLong_FromUnsignedLongLong(detent_timer_id(TIMER(self)));
}

static PyMethodDef handle_methods[] = {{"arm_after", handle_arm_after, METH_O, NULL},
                                       {"arm_at", handle_arm_at, METH_O, NULL},
                                       {"arm_every", handle_arm_every, METH_VARARGS, NULL},
                                       {"cancel", handle_cancel, METH_NOARGS, NULL},
                                       {"close", handle_close, METH_NOARGS, NULL},
                                       {"stop", handle_stop, METH_NOARGS, NULL},
                                       {"status", handle_status, METH_NOARGS, NULL},
                                       {"wait", handle_wait, METH_O, NULL},
                                       {"close_and_wait", handle_close_and_wait, METH_O, NULL},
                                       {"cancel_and_wait", handle_cancel_and_wait, METH_O, NULL},
                                       {"close_then", handle_close_then, METH_O, NULL},
                                       {"id", handle_id, METH_NOARGS, NULL},
                                       {NULL, NULL, 0, NULL}};

static PyTypeObject handle_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "detent._detent.Handle",
    .tp_basicsize = sizeof(handle_object),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = handle_new,
    .tp_dealloc = handle_dealloc,
    .tp_traverse = handle_traverse,
    .tp_clear = handle_clear,
    .tp_methods = handle_methods,
};

// --- Firing. --------------------------------------------------------------------------------

static detent_firing* firing_of(PyObject* self) {
  detent_firing* firing = ((firing_object*)self)->firing;
  if (firing == NULL) PyErr_SetString(PyExc_RuntimeError, "the call of this firing is over");
  return firing;
}

static void firing_dealloc(PyObject* self) { Py_TYPE(self)->tp_free(self); }

static PyObject* firing_deadline(PyObject* self, void* closure) {
  (void)closure;
  detent_firing* firing = firing_of(self);
  return firing == NULL ? NULL : PyLong_FromLongLong(detent_firing_deadline_ns(firing));
}
static PyObject* firing_lateness(PyObject* self, void* closure) {
  (void)closure;
  detent_firing* firing = firing_of(self);
  return firing == NULL ? NULL : PyLong_FromLongLong(detent_firing_lateness_ns(firing));
}
static PyObject* firing_missed(PyObject* self, void* closure) {
  (void)closure;
  detent_firing* firing = firing_of(self);
  return firing == NULL ? NULL : PyLong_FromUnsignedLongLong(detent_firing_missed(firing));
}
static PyObject* firing_stop_requested(PyObject* self, PyObject* unused) {
  (void)unused;
  detent_firing* firing = firing_of(self);
  return firing == NULL ? NULL : PyBool_FromLong(detent_firing_stop_requested(firing));
}
static PyObject* firing_detach(PyObject* self, PyObject* unused) {
  (void)unused;
  detent_firing* firing = firing_of(self);
  if (firing == NULL) return NULL;
  detent_firing_detach(firing);
  Py_RETURN_NONE;
}
static PyObject* firing_close(PyObject* self, PyObject* unused) {
  (void)unused;
  detent_firing* firing = firing_of(self);
  if (firing == NULL) return NULL;
  detent_firing_close(firing);
  Py_RETURN_NONE;
}

static PyGetSetDef firing_fields[] = {{"deadline_ns", firing_deadline, NULL, NULL, NULL},
                                      {"lateness_ns", firing_lateness, NULL, NULL, NULL},
                                      {"missed", firing_missed, NULL, NULL, NULL},
                                      {NULL, NULL, NULL, NULL, NULL}};
static PyMethodDef firing_methods[] = {{"stop_requested", firing_stop_requested, METH_NOARGS, NULL},
                                       {"detach", firing_detach, METH_NOARGS, NULL},
                                       {"close", firing_close, METH_NOARGS, NULL},
                                       {NULL, NULL, 0, NULL}};

static PyTypeObject firing_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "detent._detent.Firing",
    .tp_basicsize = sizeof(firing_object),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = firing_dealloc,
    .tp_getset = firing_fields,
    .tp_methods = firing_methods,
};

// --- Module. --------------------------------------------------------------------------------

static PyObject* current_firing(PyObject* module, PyObject* unused) {
  (void)module;
  (void)unused;
  if (innermost == NULL || innermost->firing == NULL) Py_RETURN_NONE;
  if (innermost->object == NULL) {
    firing_object* made = PyObject_New(firing_object, &firing_type);
    if (made == NULL) return NULL;
    made->firing = innermost->firing;
    innermost->object = made;
  }
  return Py_NewRef((PyObject*)innermost->object);
}

static PyObject* in_callback(PyObject* module, PyObject* unused) {
  (void)module;
  (void)unused;
  return PyBool_FromLong(innermost != NULL);
}

static PyObject* add_hold(PyObject* module, PyObject* argument) {
  (void)module;
  long by = PyLong_AsLong(argument);
  if (by == -1 && PyErr_Occurred()) return NULL;
  holds += by;
  return PyLong_FromLongLong(holds);
}

static PyObject* finalise(PyObject* module, PyObject* argument) {
  (void)module;
  long stage = PyLong_AsLong(argument);
  if (stage == -1 && PyErr_Occurred()) return NULL;
  atomic_store(&ending, (int)stage);
  Py_RETURN_NONE;
}

static PyObject* dropped_calls(PyObject* module, PyObject* unused) {
  (void)module;
  (void)unused;
  return PyLong_FromUnsignedLongLong(atomic_load(&dropped));
}

// This thread is the main one; after a fork it is the only one, and no timer of the parent holds the child's end up.
static PyObject* become_main(PyObject* module, PyObject* argument) {
  (void)module;
  unsigned long ident = PyLong_AsUnsignedLong(argument);
  if (ident == (unsigned long)-1 && PyErr_Occurred()) return NULL;
  main_thread = ident;
  holds = 0;
  Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {{"firing", current_firing, METH_NOARGS, NULL},
                                       {"in_callback", in_callback, METH_NOARGS, NULL},
                                       {"add_hold", add_hold, METH_O, NULL},
                                       {"finalise", finalise, METH_O, NULL},
                                       {"dropped_calls", dropped_calls, METH_NOARGS, NULL},
                                       {"become_main", become_main, METH_O, NULL},
                                       {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "detent._detent", .m_size = -1,
                                    .m_methods = module_methods};

PyMODINIT_FUNC PyInit__detent(void) {
  fire_name = PyUnicode_InternFromString("_fire");
  over_name = PyUnicode_InternFromString("_over");
  function_name = PyUnicode_InternFromString("function");
  PyObject* made = PyModule_Create(&module);
  if (made == NULL || fire_name == NULL || over_name == NULL || function_name == NULL) return NULL;
  if (PyModule_AddType(made, &clock_type) < 0 || PyModule_AddType(made, &service_type) < 0 ||
      PyModule_AddType(made, &group_type) < 0 || PyModule_AddType(made, &handle_type) < 0 ||
      PyModule_AddType(made, &firing_type) < 0) {
    Py_CLEAR(made);
  }
  return made;
}
