// pool: threads, queues, objects and their ends, and waiting for calls.
#include "engine.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <new>

DETENT_BEGIN_NAMESPACE
namespace winpool {
namespace {

constexpr std::chrono::seconds idle_limit{5};  // then a thread above the minimum ends

// Chosen by a test before any other thread uses the pool, which `use_clock` refuses afterwards; read by all.
std::atomic<manual_clock*> clock_for_tests{nullptr};
std::atomic<bool> is_in_use{false};
std::atomic<deadlock_handler> on_cycle{nullptr};  // set by any thread; acquired by the one that is refused

thread_local _TP_CALLBACK_INSTANCE* call_of_this_thread = nullptr;

service_options options_for(manual_clock* clock) {
  service_options options;
  options.name = "winpool";
  options.executor = on_driver{};
  options.clock = clock;
  return options;
}

object* take_locked(_TP_POOL& p) {
  for (auto& queue : p.queue) {
    if (queue.empty()) continue;
    object& o = *queue.front();
    ++o.taken;
    --p.pending;
    // To the end if there is more: objects take turns.
    auto& to = o.taken == o.posted ? o.queue_node : queue;
    to.splice(to.end(), queue, o.queue_place);
    return &o;
  }
  return nullptr;
}

void settle_registrations(_TP_CALLBACK_INSTANCE& call) {
  if (call.section != nullptr) LeaveCriticalSection(call.section);
  if (call.mutex != nullptr && ReleaseMutex(call.mutex) == FALSE) return;
  if (call.semaphore != nullptr && ReleaseSemaphore(call.semaphore, call.semaphore_count, nullptr) == FALSE) return;
  if (call.event != nullptr && SetEvent(call.event) == FALSE) return;
  if (call.library != nullptr) FreeLibrary(call.library);
}

// noexcept: an exception that leaves a callback ends the program, as it does on Windows.
void call_user(_TP_CALLBACK_INSTANCE& call, TP_WAIT_RESULT result) noexcept {
  object& o = *call.of;
  call_of_this_thread = &call;
  if (o.what.simple != nullptr) o.what.simple(&call, o.context);
  if (o.what.work != nullptr) o.what.work(&call, o.context, static_cast<_TP_WORK*>(&o));
  if (o.what.timer != nullptr) o.what.timer(&call, o.context, static_cast<_TP_TIMER*>(&o));
  if (o.what.wait != nullptr) o.what.wait(&call, o.context, static_cast<_TP_WAIT*>(&o), result);
  if (o.finalize != nullptr) o.finalize(&call, o.context);
  settle_registrations(call);
  call_of_this_thread = nullptr;
}

void run_one(guard& held, object& o) {
  _TP_CALLBACK_INSTANCE call;
  call.of = &o;
  call.number = o.taken;
  call.next = o.running;
  o.running = &call;
  TP_WAIT_RESULT result = WAIT_TIMEOUT;
  if (o.signals != 0) {
    --o.signals;
    result = WAIT_OBJECT_0;
  }
  if (o.runs_long) has_thread_to_spare_locked(*o.home);
  held.unlock();
  call_user(call, result);
  held.lock();
  auto** place = &o.running;
  while (*place != &call) place = &(*place)->next;
  *place = call.next;
  if (o.what.simple != nullptr) {
    o.released = true;
    leave_group_locked(o);
  }
  o.ended.notify_all();
  collect(held, o);
}

void work_off(engine& e, worker& self) {
  guard held(e.lock);
  _TP_POOL& p = *self.home;
  bool is_late = false;
  while (p.threads <= p.most) {
    if (object* o = take_locked(p)) {
      --p.idle;
      run_one(held, *o);
      ++p.idle;
      is_late = false;
      continue;
    }
    const bool is_spare = p.threads > std::max(p.least, DWORD{1});
    if (p.shares == 0 || (is_late && is_spare)) break;
    if (is_spare) {
      is_late = p.work.wait_for(held, idle_limit) == std::cv_status::timeout;
    } else {
      is_late = false;  // Nothing is due here: a pool at rest wakes nobody.
      p.work.wait(held);
    }
  }
  --p.idle;
  --p.threads;
  if (p.pending != 0) p.work.notify_one();  // What woke this thread is another's to do.
  self.next_ended = e.ended;
  e.ended = &self;
  ring(e);
  if (p.shares == 0 && p.threads == 0) delete &p;
}

void* worker_main(void* self) {
  pthread_setname_np(pthread_self(), "winpool-work");
  work_off(the_engine(), *static_cast<worker*>(self));
  return nullptr;
}

// Calls that `until` waits for: those of `o` whose post is not later, and that count.
template <class F>
bool any_awaited(const object& o, std::uint64_t until, bool all, F f) {
  for (auto* call = o.running; call != nullptr; call = call->next) {
    if (call->number <= until && (all || call->associated) && f(*call)) return true;
  }
  return false;
}

// Whether a call that `o` waits for waits, over any number of others, for `self`.
bool leads_to(const object& o, std::uint64_t until, bool all, const _TP_CALLBACK_INSTANCE& self, bool first) {
  return any_awaited(o, until, all, [&](const _TP_CALLBACK_INSTANCE& call) {
    if (&call == &self) return !first;
    return call.waits_for != nullptr && leads_to(*call.waits_for, call.waits_until, call.waits_for_all, self, false);
  });
}

// A reference of our own to a loaded library.
void* share_library(void* module) {
  if (module == nullptr) return nullptr;
  link_map* map = nullptr;
  if (dlinfo(module, RTLD_DI_LINKMAP, &map) != 0 || map == nullptr) return nullptr;
  return dlopen(*map->l_name == '\0' ? nullptr : map->l_name, RTLD_LAZY | RTLD_NOLOAD);
}

}  // namespace

engine::engine(manual_clock* clock) : service(options_for(clock)) {}

engine& the_engine() {
  static engine* const made = [] {
    is_in_use.store(true, std::memory_order_release);
    auto* e = new engine(clock_for_tests.load(std::memory_order_acquire));
    if (!start_attendant(*e)) stop_for("the thread pool cannot start: the system refused a thread or a descriptor");
    return e;
  }();
  return *made;
}

bool use_clock(manual_clock& clock) noexcept {
  if (is_in_use.load(std::memory_order_acquire)) return false;
  clock_for_tests.store(&clock, std::memory_order_release);
  return true;
}

manual_clock* chosen_clock() noexcept { return clock_for_tests.load(std::memory_order_acquire); }

deadlock_handler on_deadlock(deadlock_handler handler) noexcept {
  return on_cycle.exchange(handler, std::memory_order_acq_rel);
}

void stop_for(const char* sentence) noexcept {
  std::fprintf(stderr, "winpool: %s\n", sentence);
  std::abort();
}

_TP_CALLBACK_INSTANCE* current_call() noexcept { return call_of_this_thread; }

object::object(callback c, PVOID pv, const TP_CALLBACK_ENVIRON* environment)
    : what(c), context(pv), queue_node{this}, member_node{this} {
  queue_place = queue_node.begin();
  member_place = member_node.begin();
  if (environment == nullptr) return;
  cancelled = environment->CleanupGroup != nullptr ? environment->CleanupGroupCancelCallback : nullptr;
  finalize = environment->FinalizationCallback;
  runs_long = environment->u.s.LongFunction != 0;
  if (environment->Version >= 3) priority = environment->CallbackPriority;
  library = share_library(environment->RaceDll);
}

object::~object() {
  if (library != nullptr) dlclose(library);
}

bool add_thread_locked(_TP_POOL& p) {
  auto* self = new (std::nothrow) worker;
  if (self == nullptr) return false;
  self->home = &p;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  if (p.stack.StackReserve != 0) {
    const std::size_t page = 65536;
    const std::size_t bytes =
        (std::max(p.stack.StackReserve, static_cast<std::size_t>(PTHREAD_STACK_MIN)) + page - 1) / page * page;
    pthread_attr_setstacksize(&attributes, bytes);
  }
  const bool made = pthread_create(&self->thread, &attributes, worker_main, self) == 0;
  pthread_attr_destroy(&attributes);
  if (!made) {
    delete self;
    return false;
  }
  ++p.threads;
  ++p.idle;
  return true;
}

bool has_thread_to_spare_locked(_TP_POOL& p) {
  if (p.idle > p.pending) return true;
  return p.threads < p.most && add_thread_locked(p);
}

void drop_pool_share_locked(_TP_POOL* p) {
  if (--p->shares != 0) return;
  if (p->threads == 0) {
    delete p;
  } else {
    p->work.notify_all();
  }
}

DWORD bind(engine& e, object& o, const TP_CALLBACK_ENVIRON* environment, bool post) {
  const guard held(e.lock);
  _TP_POOL* home = environment != nullptr ? environment->Pool : nullptr;
  if (home == nullptr) {
    if (e.default_pool == nullptr) e.default_pool = new _TP_POOL;
    home = e.default_pool;
  }
  // One thread is enough for everything to be called one day.
  if (home->threads == 0 && !add_thread_locked(*home)) return ERROR_NOT_ENOUGH_MEMORY;
  ++home->shares;
  o.home = home;
  if (environment != nullptr && environment->CleanupGroup != nullptr) {
    o.group = environment->CleanupGroup;
    o.group->members.splice(o.group->members.end(), o.member_node);
  }
  if (post) post_locked(o);
  return ERROR_SUCCESS;
}

bool post_locked(object& o) {
  if (o.shut) return false;
  _TP_POOL& p = *o.home;
  auto& queue = p.queue[static_cast<std::size_t>(o.priority)];
  if (o.posted == o.taken) queue.splice(queue.end(), o.queue_node);
  ++o.posted;
  ++p.pending;
  // If the system refuses a thread, those that are there come to it later.
  if (p.pending > p.idle && p.threads < p.most) add_thread_locked(p);
  p.work.notify_one();
  return true;
}

void drop_posts_locked(object& o) {
  if (o.posted == o.taken) return;
  _TP_POOL& p = *o.home;
  auto& queue = p.queue[static_cast<std::size_t>(o.priority)];
  o.queue_node.splice(o.queue_node.end(), queue, o.queue_place);
  p.pending -= o.posted - o.taken;
  o.taken = o.posted;
  o.signals = 0;
  o.ended.notify_all();
}

void leave_group_locked(object& o) {
  if (o.group == nullptr) return;
  o.member_node.splice(o.member_node.end(), o.group->members, o.member_place);
  o.group = nullptr;
}

void release(object& o) {
  engine& e = the_engine();
  guard held(e.lock);
  o.released = true;
  o.shut = true;
  o.unset_locked(e);
  leave_group_locked(o);
  collect(held, o);
}

void collect(guard& held, object& o) {
  if (!o.is_over_locked()) return;
  o.holders = 1;  // Nobody else lets go of it.
  _TP_POOL* const home = o.home;
  held.unlock();
  // A tick that is in progress finds that it is not expected; the object goes after it, on the driver.
  if (!o.close_alarm() || !o.delete_after_last_tick()) delete &o;
  held.lock();
  if (home != nullptr) drop_pool_share_locked(home);
}

void await_locked(guard& held, object& o, bool all) {
  const std::uint64_t until = o.posted;
  _TP_CALLBACK_INSTANCE* const self = current_call();
  const auto is_quiet = [&] {
    if (o.taken < until) return false;
    return !any_awaited(o, until, all, [&](const _TP_CALLBACK_INSTANCE& call) { return &call != self; });
  };
  if (is_quiet()) return;
  if (self != nullptr) {
    if (leads_to(o, until, all, *self, true)) {
      static constexpr const char* sentence =
          "a wait was refused: callbacks wait for each other, so that none of them can end";
      held.unlock();
      if (const deadlock_handler handler = on_cycle.load(std::memory_order_acquire)) {
        handler(sentence);
      } else {
        stop_for(sentence);
      }
      held.lock();
      return;
    }
    self->waits_for = &o;
    self->waits_until = until;
    self->waits_for_all = all;
  }
  o.ended.wait(held, is_quiet);
  if (self != nullptr) self->waits_for = nullptr;
}

void await(object& o, bool cancel) {
  guard held(the_engine().lock);
  ++o.holders;
  if (cancel) drop_posts_locked(o);
  await_locked(held, o, false);
  --o.holders;
  collect(held, o);
}

}  // namespace winpool
DETENT_END_NAMESPACE
