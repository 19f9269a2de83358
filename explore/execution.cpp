#include "explore/execution.hpp"

#include "explore/memory.hpp"
#include "explore/state.hpp"

#include <bit>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <utility>

namespace detent::explore {

namespace {

constexpr std::size_t stack_bytes = std::size_t{256} << 10;

struct made_step {
  std::int8_t thread;
  std::int8_t stale;
};

unsigned char* stacks = nullptr;
suspended root = nullptr;  // the stack on which `execute` was called
std::uint32_t executions = 0;
std::uint32_t parked_count = 0;
std::int64_t time_ns = 0;
bool time_is_free = false;
made_step made[step_limit + 1];
std::size_t made_count = 0;
verdict result = verdict::held;
const char* sentence = "";
char sentence_made[256];
void (*scenario_body)() = nullptr;
void (*hooks[4])() = {};
std::size_t hook_count = 0;

int parties_open() noexcept {
  int open = 0;
  for (int t = 1; t < clock_thread; ++t) open += threads[t].is_party && threads[t].ready != readiness::over ? 1 : 0;
  return open;
}

bool is_enabled(int t) noexcept {
  const thread& it = threads[t];
  if (it.ready != readiness::ready) return false;
  switch (it.next.kind) {
    case step_kind::join: return threads[it.next.joined].ready == readiness::over;
    case step_kind::settle: return false;  // Once nobody else can run.
    default: return !it.yielded;
  }
}

thread_set enabled() noexcept {
  thread_set can = 0;
  thread_set yielded = 0;
  for (int t = 0; t < clock_thread; ++t) {
    if (is_enabled(t)) can |= only(t);
    else if (threads[t].ready == readiness::ready && threads[t].yielded) yielded |= only(t);
  }
  if (can != 0) return can;
  if (yielded != 0) return yielded;
  const thread& main = threads[0];
  if (main.ready == readiness::ready && main.next.kind == step_kind::settle && parties_open() == 0) return only(0);
  return 0;
}

std::int64_t next_instant() noexcept {
  std::int64_t least = INT64_MAX;
  for (int t = 0; t < clock_thread; ++t) {
    if (threads[t].ready == readiness::parked && threads[t].until_ns < least) least = threads[t].until_ns;
  }
  return least;
}

void wake(int t, bool timed_out) noexcept {
  threads[t].ready = readiness::ready;
  threads[t].timed_out = timed_out;
  threads[t].next.kind = step_kind::begin;
  threads[t].next.location = -1;
}

void move_time() noexcept {
  const std::int64_t at = next_instant();
  if (at > time_ns) time_ns = at;
  for (int t = 0; t < clock_thread; ++t) {
    if (threads[t].ready == readiness::parked && threads[t].until_ns <= time_ns) wake(t, true);
  }
}

bool depends(const pending_step& a, const pending_step& b) noexcept {
  return a.location >= 0 && a.location == b.location && (a.writes || b.writes);
}

void note_step(int t) noexcept {
  if (made_count < step_limit) made[made_count++] = {static_cast<std::int8_t>(t), 0};
  thread_set dependents = 0;
  for (int other = 0; other < clock_thread; ++other) {
    if (other == t || t == clock_thread) {
      if (t == clock_thread) dependents |= only(other);
      continue;
    }
    threads[other].yielded = false;
    if (threads[other].ready == readiness::ready && depends(threads[other].next, threads[t].next)) {
      dependents |= only(other);
    }
  }
  by->note_dependents(dependents);
}

// Nobody can run and no instant is waited for.
[[noreturn]] void report_deadlock() noexcept {
  char* at = sentence_made;
  char* const end = sentence_made + sizeof sentence_made;
  at += std::snprintf(at, static_cast<std::size_t>(end - at), "deadlock:");
  for (int t = 0; t < clock_thread && at < end; ++t) {
    if (threads[t].ready == readiness::parked) {
      const char* file = std::strrchr(threads[t].next.where.file_name(), '/');
      at += std::snprintf(at, static_cast<std::size_t>(end - at), " %s sleeps (%s:%u);", threads[t].name,
                          file == nullptr ? "" : file + 1, threads[t].next.where.line());
    } else if (threads[t].ready == readiness::ready && threads[t].next.kind == step_kind::join) {
      at += std::snprintf(at, static_cast<std::size_t>(end - at), " %s joins %s;", threads[t].name,
                          threads[threads[t].next.joined].name);
    }
  }
  leave(verdict::violated, sentence_made);
}

int pick(int me) noexcept {
  for (;;) {
    if (++step_count > step_limit) leave(verdict::violated, "no end: the step limit was reached");
    const thread_set can = enabled();
    const bool somebody_waits_for_time = next_instant() != INT64_MAX;
    if (can == 0) {
      if (!somebody_waits_for_time) report_deadlock();
      move_time();  // By itself: no choice, so no step.
      if (exploring) {
        by->note_dependents(~thread_set{0});
        tell("time moves");
      }
      continue;
    }
    if (!exploring) return (can & only(me)) != 0 ? me : std::countr_zero(can);
    if (can == only(0) && threads[0].next.kind == step_kind::settle) return 0;
    const int chosen = by->pick_thread({can, time_is_free && somebody_waits_for_time, me});
    if (chosen == chooser::redundant) leave(verdict::redundant, "");
    note_step(chosen);
    if (chosen != clock_thread) return chosen;
    tell("time moves");
    move_time();
  }
}

void go_to(int t) noexcept {
  const int from = running_thread;
  if (t == from) return;
  running_thread = t;
  detent_explore_switch(&threads[from].stack, threads[t].stack);
}

void thread_main() noexcept {
  thread& me = threads[running_thread];
  me.body(me.context);
  me.ready = readiness::over;
  go_to(pick(running_thread));
  std::abort();
}

void scenario_main(void*) {
  scenario_body();
  leave(verdict::held, "");
}

[[noreturn]] void note_crash(int signal) noexcept {
  if (running_execution == 0) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
    std::_Exit(128 + signal);
  }
  std::snprintf(sentence_made, sizeof sentence_made, "the process would end with signal %d (%s)", signal,
                threads[running_thread].name);
  leave(verdict::violated, sentence_made);
}

// What ends the process ends the execution instead. On a stack of its own: the one in use may be full.
void catch_crashes() noexcept {
  static unsigned char spare[64 << 10];
  stack_t other{};
  other.ss_sp = spare;
  other.ss_size = sizeof spare;
  sigaltstack(&other, nullptr);
  struct sigaction action {};
  action.sa_handler = note_crash;
  action.sa_flags = SA_NODEFER | SA_ONSTACK;
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE}) sigaction(signal, &action, nullptr);
}

void prepare_once() {
  if (stacks != nullptr) return;
  void* pages = mmap(nullptr, stack_bytes * thread_limit, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) std::abort();
  stacks = static_cast<unsigned char*>(pages);
  catch_crashes();
}

// `B12C3~1`: thread B makes 12 steps, C three, the last of which reads the value before the latest. H is the clock.
std::string schedule_made() {
  std::string text;
  for (std::size_t i = 0; i < made_count;) {
    std::size_t run = 1;
    while (made[i + run - 1].stale == 0 && i + run < made_count && made[i + run].thread == made[i].thread) ++run;
    text += static_cast<char>('A' + made[i].thread);
    if (run > 1) text += std::to_string(run);
    i += run;
    if (made[i - 1].stale != 0) text += '~' + std::to_string(made[i - 1].stale);
  }
  return text;
}

}  // namespace

outcome execute(void (*scenario)(), chooser& chosen_by) {
  prepare_once();
  for (std::size_t i = 0; i < hook_count; ++i) hooks[i]();
  memory::reset();
  begin_histories();
  for (thread& t : threads) t = {};
  scenario_body = scenario;
  by = &chosen_by;
  by->begin();
  every_step = by->wants_every_step();
  exploring = false;
  made_count = 0;
  step_count = 0;
  parked_count = 0;
  time_ns = 1'000'000'000'000;
  time_is_free = false;
  result = verdict::held;
  sentence = "";
  running_thread = 0;
  running_execution = ++executions;
  watching = watching_set_up;
  start_thread("main", &scenario_main, nullptr);
  // What the library tells its user it tells in every execution anew: for nobody, unless steps are shown too.
  static std::FILE* const nobody = std::fopen("/dev/null", "w");
  std::FILE* const somebody = telling || nobody == nullptr ? stderr : std::exchange(stderr, nobody);
  detent_explore_switch(&root, threads[0].stack);
  stderr = somebody;
  running_execution = 0;
  running_thread = 0;
  outcome told{result, {}, {}, made_count};
  if (result == verdict::violated) {
    told.sentence = sentence;
    told.schedule = schedule_made();
  }
  return told;
}

void leave(verdict what, const char* why) noexcept {
  result = what;
  sentence = why;
  watching = false;
  suspended never_again = nullptr;
  detent_explore_switch(&never_again, root);
  std::abort();
}

// The thread whose step is next makes it. A word that only one thread touches is no reason to ask who goes on.
void take_turn(bool contended) noexcept {
  if (contended || every_step) {
    go_to(pick(running_thread));
    return;
  }
  if (++step_count > step_limit) leave(verdict::violated, "no end: the step limit was reached");
  if (made_count < step_limit) made[made_count++] = {static_cast<std::int8_t>(running_thread), 0};
}

void note_stale(int value) noexcept {
  if (made_count != 0) made[made_count - 1].stale = static_cast<std::int8_t>(value);
}

// --- For scenarios ---------------------------------------------------------------------------------------------------

void fail(const char* why) noexcept {
  if (running_execution == 0) {
    std::fprintf(stderr, "%s\n", why);
    std::abort();
  }
  leave(verdict::violated, why);
}

void check(bool holds, const char* why) noexcept {
  if (!holds) fail(why);
}

std::int64_t now_ns() noexcept { return time_ns; }

void settle() noexcept {
  threads[running_thread].next.kind = step_kind::settle;
  go_to(pick(running_thread));
  threads[running_thread].next.kind = step_kind::begin;
}

void look_aside(void (*look)(void* context), void* context) noexcept {
  const bool was_exploring = std::exchange(exploring, false);
  const view before = views[running_thread];
  look(context);
  views[running_thread] = before;
  exploring = was_exploring;
}

void pause() noexcept {
  threads[running_thread].next.kind = step_kind::begin;
  threads[running_thread].next.location = -1;
  if (exploring) go_to(pick(running_thread));
}

void sleep_until(std::int64_t at_ns) noexcept {
  thread& me = threads[running_thread];
  me.ready = readiness::parked;
  me.parked_on = -1;
  me.until_ns = at_ns;
  go_to(pick(running_thread));
  me.until_ns = INT64_MAX;
}

void let_time_move() noexcept { time_is_free = true; }

void run_parties(const party* parties, int count) noexcept {
  int started[thread_limit];
  for (int i = 0; i < count; ++i) {
    started[i] = start_thread(parties[i].name, parties[i].body, parties[i].context);
    threads[started[i]].is_party = true;
  }
  exploring = true;
  watching = true;
  settle();
  watching = watching_set_up;
  exploring = false;
  for (int i = 0; i < count; ++i) join_thread(started[i]);
}

// --- For the platform ------------------------------------------------------------------------------------------------

int start_thread(const char* name, void (*body)(void*), void* context) noexcept {
  int t = 0;
  while (t < clock_thread && threads[t].ready != readiness::unused) ++t;
  if (t == clock_thread) fail("the scenario has more threads than the explorer");
  thread& fresh = threads[t];
  fresh.ready = readiness::ready;
  fresh.name = name;
  fresh.body = body;
  fresh.context = context;
  fresh.until_ns = INT64_MAX;
  fresh.stack = prepare_stack(stacks + stack_bytes * static_cast<std::size_t>(t), stack_bytes, &thread_main);
  if (t != 0) inherit_view(running_thread, t);
  return t;
}

void join_thread(int t) noexcept {
  thread& me = threads[running_thread];
  me.next.kind = step_kind::join;
  me.next.location = -1;
  me.next.joined = static_cast<std::int16_t>(t);
  go_to(pick(running_thread));
  inherit_view(t, running_thread);
}

void yield_thread() noexcept {
  thread& me = threads[running_thread];
  me.next.kind = step_kind::yield;
  me.next.location = -1;
  me.yielded = true;
  go_to(pick(running_thread));
  me.yielded = false;
}

void call_at_start(void (*hook)()) noexcept {
  for (std::size_t i = 0; i < hook_count; ++i) {
    if (hooks[i] == hook) return;
  }
  if (hook_count < sizeof hooks / sizeof *hooks) hooks[hook_count++] = hook;
}

}  // namespace detent::explore

namespace detent::inline v0::detail::platform {

using namespace detent::explore;

bool park(const sync_atomic<std::uint32_t>& word, std::uint32_t expected, std::int64_t until_ns,
          const explore::place& where) noexcept {
  if (running_execution == 0) return false;
  const int number = name_location(word.history(), &word, word.latest());
  pending_step& step = threads[running_thread].next;
  step.kind = step_kind::park;
  step.writes = true;
  step.location = static_cast<std::int16_t>(number);
  step.where = where;
  if (exploring) take_turn(touch(number, true));
  note_access(number);
  see_latest(number);  // The kernel compares with the latest value, and a thread never reads backwards.
  if (word.latest() != expected) return false;
  explore::thread& me = threads[running_thread];
  if (until_ns <= now_ns()) return true;
  tell("sleeps");
  me.ready = readiness::parked;
  me.parked_on = static_cast<std::int16_t>(number);
  me.parked_since = ++parked_count;
  me.until_ns = until_ns;
  me.timed_out = false;
  go_to(pick(running_thread));
  me.until_ns = INT64_MAX;
  return me.timed_out;
}

void unpark(const sync_atomic<std::uint32_t>& word, int count, const explore::place& where) noexcept {
  if (running_execution == 0) return;
  const int number = name_location(word.history(), &word, word.latest());
  pending_step& step = threads[running_thread].next;
  step.kind = step_kind::unpark;
  step.writes = true;
  step.location = static_cast<std::int16_t>(number);
  step.where = where;
  if (exploring) take_turn(touch(number, true));
  tell("wakes");
  for (; count > 0; --count) {
    int first = -1;
    for (int t = 0; t < clock_thread; ++t) {
      if (threads[t].ready != readiness::parked || threads[t].parked_on != number) continue;
      if (first < 0 || threads[t].parked_since < threads[first].parked_since) first = t;
    }
    if (first < 0) return;
    wake(first, false);
  }
}

}  // namespace detent::inline v0::detail::platform
